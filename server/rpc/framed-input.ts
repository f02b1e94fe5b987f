import type { Message } from "@bufbuild/protobuf";
import { EMPTY, readBody, readPieces } from "./body.js";
import type { Call } from "./call.js";
import type { Codec } from "./codec.js";
import { connectTimeout, grpcTimeout } from "./deadline.js";
import type { Request } from "./dispatcher.js";
import { checkEnvelopeLength, decompress, openEnvelope, openEnvelopes } from "./envelope.js";
import { encodingOf, type Framing, parametersOf, rawParameter } from "./framing.js";
import type { Input, Pipeline } from "./pipeline.js";
import { readWholeBody } from "./whole-body.js";

/** In place of a request: why there is none. */
export class Refusal {
  constructor(readonly error: unknown) {}
}

/** What the method is asked, or the error that keeps the call from running. */
export async function readInput(
  call: Call,
  req: Request,
  framing: Framing,
  pipeline: Pipeline,
  codec: Codec,
): Promise<Input | Refusal> {
  const limit = pipeline.messageBytes;
  const { method } = call;
  try {
    const grpc = framing.door !== "connect";
    call.timeoutMs = grpc
      ? grpcTimeout(req.headers["grpc-timeout"])
      : connectTimeout(req.headers["connect-timeout-ms"]);
    const admitted = pipeline.admit(call);
    if (admitted !== undefined) await call.within(admitted);
    const whole = req.method !== "GET" && !method.streamsRequests;
    // A checksum is of the body as it was before it was packed, at every door.
    const body = whole ? await call.within(readWhole(req, framing, limit)) : EMPTY;
    const proved = pipeline.prove(call, body);
    if (proved !== undefined) await call.within(proved);
    if (method.streamsRequests) return readMessages(call, req, framing, limit, codec);
    const bytes = await call.within(openBody(req, framing, body, limit));
    return codec.decode(framing.format, method.input, bytes);
  } catch (error) {
    return new Refusal(error);
  }
}

function readWhole(req: Request, { enveloped }: Framing, limit: number): Promise<Buffer> {
  if (enveloped) return readBody(req, limit + 5, (piece) => checkEnvelopeLength(piece, limit));
  return readWholeBody(req, limit);
}

/** The bytes of the one message. */
async function openBody(req: Request, framing: Framing, body: Buffer, limit: number): Promise<Buffer> {
  if (framing.enveloped) return openEnvelope(body, encodingOf(req, framing), limit);
  if (req.method !== "GET") return body;
  const query = parametersOf(req);
  const bytes =
    query.get("base64") === "1" ? Buffer.from(query.get("message") ?? "", "base64url") : rawParameter(req, "message");
  return decompress(bytes, query.get("compression") ?? "identity", limit);
}

/** The messages of a streamed request, read as the verb asks for them; the call's end is theirs. */
async function* readMessages(
  call: Call,
  req: Request,
  framing: Framing,
  limit: number,
  codec: Codec,
): AsyncGenerator<Message> {
  const pieces = readPieces(req, call.signal);
  for await (const bytes of openEnvelopes(pieces, encodingOf(req, framing), limit)) {
    yield codec.decode(framing.format, call.method.input, bytes);
  }
}
