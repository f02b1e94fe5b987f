import http from "node:http";
import { parseReply, type Reply } from "../../support/http-request.js";

/** A request whose headers the server has seen and whose body it waits for. */
export interface SlowRequest {
  /** The answer, which may come before the body has. */
  readonly answered: Promise<Reply>;
  finish(): Promise<Reply>;
}

/** Opens a request and holds its body back until the server must have decided what it can without. */
export async function openSlowly(
  url: string,
  options: { method?: string; headers: Record<string, string>; body: string },
): Promise<SlowRequest> {
  const { method = "POST", headers, body } = options;
  const { origin } = new URL(url);
  const length = { "content-length": String(Buffer.byteLength(body)) };
  const sent = http.request(origin, {
    method,
    path: url.slice(origin.length),
    headers: { ...length, ...headers },
    agent: false,
  });
  const answered = new Promise<Reply>((resolve, reject) => {
    sent.on("error", reject);
    sent.on("response", (res) => parseReply(res).then(resolve, reject));
  });
  // Whoever is refused before the body is asks for the answer later.
  answered.catch(() => {});
  sent.write(body.slice(0, 1));
  await new Promise((resolve) => setTimeout(resolve, 200));
  return {
    answered,
    finish() {
      sent.end(body.slice(1));
      return answered;
    },
  };
}
