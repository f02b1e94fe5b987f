import { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { DomainError } from "../../kernel/errors.js";
import type { CallRequest } from "../../rpc/call.js";
import type { RequestHandler } from "../listener/options.js";
import { errorFrame, joined, opened } from "./frames.js";
import { ANSWER_BYTES } from "./limits.js";
import type { Line } from "./line.js";

/** What a path answers, as HTTP would carry it. */
interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
}

const NOTHING = Buffer.alloc(0);

/** Answers a path: by the same handler as HTTP, with a request and a response that have no connection of their own. */
export async function answerPath(
  handler: RequestHandler,
  line: Line,
  frame: string,
  onFailure: (error: unknown) => void,
): Promise<string> {
  const url = asSentByBrowser(frame);
  const op = url.split("?", 1)[0]!;
  const req = new PathRequest(line.callRequest(url));
  const res = new PathResponse(req);
  const forget = line.onEnd(() => res.destroy());
  try {
    handler(req, res);
    return toFrame(op, await res.answer);
  } catch (error) {
    if (error instanceof DomainError) return errorFrame({ op }, error);
    onFailure(error);
    return errorFrame({ op }, new DomainError("INTERNAL"));
  } finally {
    forget();
  }
}

/** Every character that a URL cannot have, as a browser writes it in one. */
function asSentByBrowser(frame: string): string {
  return frame.replace(/[^\x21-\x7e]+/g, encodeURIComponent);
}

/** An object is the frame, any other JSON, text or bytes (in base64) stand under `data`. */
function toFrame(op: string, { status, contentType, body }: Answer): string {
  const head = { op, status };
  if (body.length === 0) return JSON.stringify(head);
  if (contentType.startsWith("application/json")) return jsonFrame(op, status, body.toString("utf8"));
  if (contentType.startsWith("text/")) return JSON.stringify({ ...head, data: body.toString("utf8") });
  return JSON.stringify({ ...head, contentType, data: body.toString("base64") });
}

/** An object that has an `op` or another `status` of its own stands under `data` too. */
function jsonFrame(op: string, status: number, json: string): string {
  const own = json.startsWith("{") ? ownHead(json) : undefined;
  const isFrame = own !== undefined && own.op === undefined && (own.status === undefined || own.status === status);
  if (isFrame) return joined(opened(own.status === undefined ? { op, status } : { op }), json);
  return `${opened({ op, status })},"data":${json}}`;
}

/** What stands in an object where a frame has its head. The object is read only when it may be there. */
function ownHead(json: string): { op?: unknown; status?: unknown } {
  return json.includes('"op"') || json.includes('"status"') ? JSON.parse(json) : {};
}

/** A GET without a connection, of a caller who is known. */
class PathRequest extends IncomingMessage {
  readonly caller: CallRequest["caller"];

  constructor({ headers, socket, url = "", caller }: CallRequest) {
    // All that doors ask a socket: whose it is. It says that it is destroyed, so that nobody reads or closes it.
    super({ ...socket, destroyed: true } as unknown as Socket);
    this.caller = caller;
    this.method = "GET";
    this.url = url;
    this.headers = headers;
    this.httpVersion = "1.1";
    this.httpVersionMajor = 1;
    this.httpVersionMinor = 1;
    this.complete = true;
    this.push(null);
  }
}

/** Keeps what is answered. */
class PathResponse extends ServerResponse {
  readonly answer: Promise<Answer>;
  #settle!: { resolve: (answer: Answer) => void; reject: (error: DomainError) => void };
  #pieces: Buffer[] = [];
  #size = 0;

  constructor(req: IncomingMessage) {
    super(req);
    this.answer = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  /** Node would keep no header that is given here alone. */
  override writeHead(status: number, ...rest: unknown[]): this {
    for (const [name, value] of Object.entries(rest.at(-1) ?? {})) this.setHeader(name, value as string);
    return super.writeHead(status);
  }

  override write(piece: unknown): boolean {
    this.#keep(piece);
    return true;
  }

  override end(piece?: unknown): this {
    if (this.finished) return this;
    if (piece !== undefined && piece !== null) this.#keep(piece);
    this.finished = true;
    const contentType = String(this.getHeader("content-type") ?? "");
    const body = this.#pieces.length === 0 ? NOTHING : Buffer.concat(this.#pieces, this.#size);
    this.#settle.resolve({ status: this.statusCode, contentType, body });
    return this;
  }

  /** Breaks off: what it answers is told to end, and the frame says that something went wrong. */
  override destroy(): this {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.#settle.reject(new DomainError("INTERNAL"));
    this.emit("close");
    return this;
  }

  #keep(piece: unknown): void {
    const bytes = typeof piece === "string" ? Buffer.from(piece) : (piece as Buffer);
    this.#size += bytes.length;
    if (this.#size <= ANSWER_BYTES) this.#pieces.push(bytes);
    else {
      this.#settle.reject(new DomainError("MESSAGE_TOO_LARGE", "The answer is larger than 1 MiB: ask by HTTP."));
      this.destroy();
    }
  }
}
