import { createServer, type RequestListener } from "node:http";
import http2 from "node:http2";
import type { AddressInfo, Server } from "node:net";
import type { Ports } from "../../server/context.js";
import { instanceKey } from "../../server/kernel/instance-key.js";
import { type Handler, serve } from "../../server/manifest.js";
import type { Call } from "../../server/rpc/call.js";
import { createCodec } from "../../server/rpc/codec.js";
import { createFramedDoor, framingOf } from "../../server/rpc/framed.js";
import { methodTable } from "../../server/rpc/methods.js";
import { createPipeline, type Pipeline } from "../../server/rpc/pipeline.js";
import { StreamService } from "./stream-service.js";

/** The largest message the house takes. */
export const MESSAGE_BYTES = 1 << 16;

/** Our framed door in front of a service of streams, without the rest of the server. */
export function streamDoor(handlers: Record<string, Handler>, watch: { admitted?(call: Call): void } = {}) {
  const lines: Record<string, unknown>[] = [];
  const note = (facts: object) => void lines.push({ ...facts });
  const log = { debug() {}, info: note, warn() {}, error: note, flush() {} };
  const database = { during: () => database };
  const ports = { log, database, key: instanceKey(Buffer.alloc(32, 7)) } as unknown as Ports;
  const methods = methodTable([serve(StreamService, handlers as never, { access: 1, rateClass: 4 })]);
  const authenticate = () => {
    throw new Error("nobody signs in here");
  };
  const inner = createPipeline(ports, { authenticate, messageBytes: MESSAGE_BYTES });
  const pipeline: Pipeline = {
    ...inner,
    admit(call) {
      watch.admitted?.(call);
      return inner.admit(call);
    },
  };
  const framed = createFramedDoor(methods.values(), pipeline, createCodec({ ignoreUnknownFields: false }));
  const door = (req: Parameters<typeof framed>[0], res: Parameters<typeof framed>[1]) => {
    const method = methods.get(req.url!)!;
    // A caller who hangs up in the middle of an answer ends here.
    framed(req, res, method, framingOf(req, method)!).catch(() => res.destroy());
  };
  return { door: door as unknown as RequestListener, lines };
}

/** A door on two ports, one for each version of HTTP. */
export async function openPorts(door: RequestListener) {
  const listen = async (server: Server) => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const one = createServer(door);
  const two = http2.createServer({}, door as never) as unknown as Server;
  const [http1Url, http2Url] = [await listen(one), await listen(two)];
  const session = http2.connect(http2Url);
  return {
    http1Url,
    http2Url,
    session,
    close() {
      session.destroy();
      one.closeAllConnections();
      one.close();
      two.close();
    },
  };
}

/** A request by HTTP/2 whose body is written as the test goes. */
export function openRequest(session: http2.ClientHttp2Session, rpc: string, headers: Record<string, string>) {
  const request = { ":method": "POST", ":path": `/test.v1.StreamService/${rpc}`, te: "trailers", ...headers };
  const stream = session.request(request);
  const head: http2.IncomingHttpHeaders = {};
  let body = Buffer.alloc(0);
  let wake = () => {};
  stream
    .on("response", (values) => Object.assign(head, values))
    .on("trailers", (values) => Object.assign(head, values));
  stream.on("data", (chunk: Buffer) => {
    body = Buffer.concat([body, chunk]);
    wake();
  });
  const answered = new Promise<{ head: http2.IncomingHttpHeaders; body: Buffer }>((resolve, reject) => {
    stream.once("end", () => resolve({ head, body })).once("error", reject);
  });
  answered.catch(() => {});
  return {
    stream,
    /** Resolves when the answer has ended. */
    answered,
    /** Resolves when so many bytes of the answer are there. */
    async bytes(count: number): Promise<Buffer> {
      while (body.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return body;
    },
  };
}
