import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { signUp } from "./people.js";
import { ROOT, type Server, startServer } from "./processes.js";
import type { Saying, StreamTarget } from "./streams-readers.js";

const SUBSCRIBE = "/backstay.events.v1.EventService/Subscribe";
const PUBLISH = "/backstay.events.v1.EventService/Publish";

/** A Backstay with room for many streams. */
export interface StreamSubject {
  readonly server: Server;
  /** Makes an account, signs it in and answers its token. */
  signUp(login: string): Promise<string>;
  stop(): Promise<void>;
}

export async function startStreamSubject(node: readonly string[] = []): Promise<StreamSubject> {
  const home = await mkdtemp(join(tmpdir(), "backstay-streams-"));
  await chmod(home, 0o711);
  const settings = [
    "--home",
    home,
    "--port",
    "0",
    "--log-file",
    join(home, "log", "bench.log"),
    "--limits-rate",
    "off",
  ];
  const many = ["--limits-connections", "100000", "--limits-connections-per-address", "100000"];
  const streams = ["--events-streams-per-account", "100000", "--events-stream-ttl", "1h", "--auth-access-ttl", "1h"];
  try {
    const bin = join(ROOT, "server/cli/bin.mjs");
    const server = await startServer([...node, bin, "serve", ...settings, ...many, ...streams]);
    return {
      server,
      signUp: async (login) => (await signUp(server.port, login)).token,
      async stop() {
        await server.stop();
        await rm(home, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(home, { recursive: true, force: true });
    throw error;
  }
}

/** A stream by Connect JSON over HTTP/1.1, or by gRPC over HTTP/2. */
export function streamTarget(protocol: "http1" | "http2", port: number, token = "none", perSession = 10): StreamTarget {
  if (protocol === "http2") {
    const headers = { "content-type": "application/grpc", te: "trailers", authorization: `Bearer ${token}` };
    return { protocol, port, path: SUBSCRIBE, headers, body: Buffer.alloc(5).toString("base64"), perSession };
  }
  const head = [
    `POST ${SUBSCRIBE} HTTP/1.1`,
    "host: 127.0.0.1",
    "content-type: application/connect+json",
    `authorization: Bearer ${token}`,
    "content-length: 7",
  ];
  return { protocol, port, request: `${head.join("\r\n")}\r\n\r\n\0\0\0\0\x02{}` };
}

/** Makes an event of the caller's own topic. `characters`: how many its text has besides the mark and the time. */
export function publishing(
  port: number,
  token: string,
  { characters = 60, ephemeral = false }: { characters?: number; ephemeral?: boolean } = {},
): Saying {
  return {
    port,
    path: PUBLISH,
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ type: "bench.event", data: { text: `~event~ ${"x".repeat(characters)}` }, ephemeral }),
  };
}
