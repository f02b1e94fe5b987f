import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import type { DomainError } from "../kernel/errors.js";
import { encoder, share } from "../kernel/share.js";
import type { Door } from "./call.js";
import type { Codec, Format } from "./codec.js";
import type { Request } from "./dispatcher.js";
import type { Framing } from "./framing.js";
import { connectErrorJson, toConnectError } from "./wire-errors.js";

/** What is smaller is not compressed. */
export const COMPRESS_FROM = 1024;

const COMPRESSED = 1;
const CONNECT_END = 2;
const GRPC_WEB_TRAILERS = 0x80;

const brotli = promisify(brotliCompress);
/** What Brotli does by default is for files that are packed once: it takes tens of times as long. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };

const compressions = { gzip: promisify(gzip), br: (bytes: Buffer) => brotli(bytes, BROTLI) };
type Compression = keyof typeof compressions;

const CONTENT_TYPES: Readonly<Partial<Record<Door, string>>> = {
  connect: "application/connect",
  grpc: "application/grpc",
  "grpc-web": "application/grpc-web",
};

/** How the answer of a stream is written. */
export interface StreamFrames {
  readonly headers: Readonly<Record<string, string>>;
  /** A message in its envelope. Of a message that is shared, all streams of the same form write the same bytes. */
  message(message: Message): Buffer | Promise<Buffer>;
  /** What stands at the body's end; gRPC has nothing there. */
  end(error: DomainError | undefined): Buffer | Promise<Buffer> | undefined;
  /** What follows the body as trailers of HTTP. */
  trailers(error: DomainError | undefined): Record<string, string> | undefined;
}

/** The frames of a method's answers, for each request as it asked to be answered. */
export function streamFrames(codec: Codec): (schema: DescMessage, req: Request, framing: Framing) => StreamFrames {
  const known = new Map<string, StreamFrames>();
  const envelopes = new Map<string, StreamFrames["message"]>();
  return (schema, req, framing) => {
    const compression = acceptedBy(req, framing);
    const { door, format } = framing;
    const form = `${schema.typeName} ${format} ${compression}`;
    return once(known, `${door} ${form}`, () => {
      // Connect and gRPC put the same envelopes around the same messages.
      const message = once(envelopes, form, () =>
        encoder((message: Message) => envelope(0, bytesOf(codec, format, schema, message), compression)),
      );
      return framesOf(framing, message, compression);
    });
  };
}

function once<T>(known: Map<string, T>, name: string, make: () => T): T {
  const found = known.get(name) ?? make();
  known.set(name, found);
  return found;
}

function bytesOf(codec: Codec, format: Format, schema: DescMessage, message: Message): Buffer {
  return Buffer.from(codec.encode(format, schema, message) as string);
}

function framesOf(
  { door, format }: Framing,
  message: StreamFrames["message"],
  compression: Compression | undefined,
): StreamFrames {
  return {
    headers: {
      "content-type": `${CONTENT_TYPES[door]}+${format}`,
      ...(compression && { [door === "connect" ? "connect-content-encoding" : "grpc-encoding"]: compression }),
    },
    message,
    end(error) {
      if (door === "grpc") return undefined;
      if (door === "connect") {
        const json = error === undefined ? "{}" : `{"error":${connectErrorJson(error)}}`;
        return envelope(CONNECT_END, Buffer.from(json), compression);
      }
      const lines = Object.entries(grpcStatus(error)).map(([name, value]) => `${name}: ${value}\r\n`);
      return envelope(GRPC_WEB_TRAILERS, Buffer.from(lines.join("")), compression);
    },
    trailers: (error) => (door === "grpc" ? grpcStatus(error) : undefined),
  };
}

function grpcStatus(error: DomainError | undefined): Record<string, string> {
  const headers = setTrailerStatus(new Headers(), error && toConnectError(error));
  return Object.fromEntries(headers);
}

function envelope(flags: number, bytes: Buffer, compression: Compression | undefined): Buffer | Promise<Buffer> {
  if (compression === undefined || bytes.length < COMPRESS_FROM) return framed(flags, bytes);
  return compressions[compression](bytes).then((compressed) => share(framed(flags | COMPRESSED, compressed)));
}

function framed(flags: number, bytes: Buffer): Buffer {
  const whole = Buffer.allocUnsafe(5 + bytes.length);
  whole[0] = flags;
  whole.writeUInt32BE(bytes.length, 1);
  bytes.copy(whole, 5);
  return whole;
}

/** The first compression the caller names that we have. */
function acceptedBy(req: Request, { door }: Framing): Compression | undefined {
  const accepted = req.headers[door === "connect" ? "connect-accept-encoding" : "grpc-accept-encoding"];
  const names = typeof accepted === "string" ? accepted.split(",").map((name) => name.trim()) : [];
  return names.find((name): name is Compression => Object.hasOwn(compressions, name));
}
