import { Agent, request } from "node:http";

/** What came, whatever it was, and how long it took, in milliseconds. */
export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: whoever asks knows what may come.
  json: any;
  ms: number;
}

/** Who calls from one address, by connections that stay. */
export interface Caller {
  /** Posts JSON. */
  post(path: string, body: object): Promise<Answer>;
  close(): void;
}

/** `localAddress`: one of this machine's own network. */
export function callerAt({ port, localAddress = "127.0.0.1", maxSockets = 1 }: CallerTerms): Caller {
  const agent = new Agent({ keepAlive: true, maxSockets });
  const terms = { port, host: "127.0.0.1", localAddress, method: "POST", agent };
  const headers = { "content-type": "application/json" };
  return {
    post(path, body) {
      const began = performance.now();
      return new Promise((resolve, reject) => {
        const asked = request({ ...terms, path, headers }, (answer) => {
          const pieces: Buffer[] = [];
          answer.on("data", (piece: Buffer) => pieces.push(piece));
          answer.on("end", () => {
            const json = JSON.parse(Buffer.concat(pieces).toString());
            resolve({ status: answer.statusCode ?? 0, json, ms: performance.now() - began });
          });
        });
        asked.on("error", reject).end(JSON.stringify(body));
      });
    },
    close: () => agent.destroy(),
  };
}

interface CallerTerms {
  port: number;
  localAddress?: string;
  maxSockets?: number;
}

/** Why a call was refused; undefined when it was not. */
export function reasonOf({ json }: Answer): string | undefined {
  return detailOf(json, "ErrorInfo")?.reason;
}

/** After how many milliseconds a repeat makes sense; undefined when none does. */
export function retryAfterMs({ json }: Answer): number | undefined {
  const delay = detailOf(json, "RetryInfo")?.retryDelay;
  return delay === undefined ? undefined : Number.parseFloat(delay) * 1000;
}

function detailOf(json: { details?: Detail[] }, type: string): Detail | undefined {
  return json.details?.find((detail) => detail["@type"].endsWith(`.${type}`));
}

interface Detail {
  "@type": string;
  reason?: string;
  retryDelay?: string;
}
