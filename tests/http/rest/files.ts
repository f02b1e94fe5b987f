import http from "node:http";
import { atEnd } from "../listener-harness.js";
import { rpc } from "./conformance.js";
import { type RestReply, replyOf } from "./library-server.js";

/** An upload and a download of files, each in a stream of HttpBody. */
export const UPLOAD = rpc("post /v1/files/{filename}:upload", "Upload", {
  body: "file",
  output: "Stored",
  streamsRequests: true,
});
export const DOWNLOAD = rpc("get /v1/files/{filename}", "Upload", { output: ".google.api.HttpBody", stream: true });

/** A message of an upload as its verb sees it. */
export interface UploadedPiece {
  filename: string;
  folder: string;
  file: { contentType: string; data: Uint8Array };
}

/** A request whose body is still to be written, and its answer. */
export function send(port: number, line: string, headers: http.OutgoingHttpHeaders) {
  const [method, path] = line.split(" ");
  const req = http.request({ host: "127.0.0.1", port, method, path, headers });
  atEnd(() => {
    req.destroy();
  });
  const reply = new Promise<RestReply>((resolve, reject) => {
    req.on("error", reject);
    req.on("response", (res) => {
      const chunks: Buffer[] = [];
      res.on("data", (chunk) => chunks.push(chunk));
      res.on("error", reject);
      res.on("end", () => resolve(replyOf(res.statusCode ?? 0, res.headers, Buffer.concat(chunks))));
    });
  });
  return { req, reply };
}

/** Waits until a number has stayed the same for many turns of the loop. */
export async function quiet(value: () => number): Promise<void> {
  let same = 0;
  for (let seen = value(); same < 500; ) {
    await new Promise((resolve) => setImmediate(resolve));
    same = value() === seen ? same + 1 : 0;
    seen = value();
  }
}
