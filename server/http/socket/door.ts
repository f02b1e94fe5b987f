import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { EventService } from "#gen/backstay/events/v1/events_pb.js";
import type { Caller } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import type { CallRequest } from "../../rpc/call.js";
import type { Codec } from "../../rpc/codec.js";
import type { Method } from "../../rpc/methods.js";
import { isForeign } from "../../rpc/origins.js";
import type { Pipeline } from "../../rpc/pipeline.js";
import { pathOf, queryOf } from "../../rpc/url.js";
import type { RequestHandler, UpgradeHandler } from "../listener/options.js";
import type { RestDoor } from "../rest/index.js";
import { errorFrame } from "./frames.js";
import { createHandshake } from "./handshake.js";
import { createHub } from "./hub.js";
import { keptHeaders, socketCalls } from "./identify.js";
import { Line } from "./line.js";
import { createOperations } from "./operations.js";
import type { SocketOptions } from "./options.js";
import { answerPath } from "./path-frame.js";
import { readFrames } from "./reader.js";
import { refuseUpgrade } from "./refusal.js";
import { createSeats } from "./seats.js";
import { oldestCursor } from "./subscription.js";

/** What the door shares with the others. */
export interface SocketParts {
  readonly methods: ReadonlyMap<string, Method>;
  readonly pipeline: Pipeline;
  readonly codec: Codec;
  /** Answers requests: also those that come as frames. */
  readonly handler: RequestHandler;
  readonly rest: Pick<RestDoor, "match">;
  /** Told of what should never happen. */
  readonly onFailure: (error: unknown) => void;
}

const NOTHING = Buffer.alloc(0);

/** Opens WebSockets for those who may, and refuses the others before they are open. Throws without the events' methods. */
export function createSocketDoor(parts: SocketParts, options: SocketOptions): UpgradeHandler {
  const { methods, pipeline, codec, handler, rest, onFailure } = parts;
  const { ports, path, paths, perAddress, signatureName, signedLife } = options;
  const model = methods.get(`/${EventService.typeName}/${EventService.method.subscribe.name}`);
  if (model === undefined) throw new Error("sockets need the service of events");
  const calls = socketCalls(model, options);
  const seats = createSeats(perAddress);
  const hub = createHub(options);
  const operations = createOperations({ methods, pipeline, codec, calls, paths, own: hub.own, onFailure });
  const handshake = createHandshake();

  const checkRequest = (req: IncomingMessage) => {
    const asked = pathOf(req.url);
    if (asked !== path && paths.find(asked) === undefined) throw new DomainError("UNKNOWN_PATH");
    if (req.method !== "GET") throw new DomainError("METHOD_NOT_ALLOWED");
    if (isForeign(req as CallRequest, options)) throw new DomainError("FOREIGN_ORIGIN");
  };

  /** Finds out whose the socket will be. Throws what the pipeline does. */
  const identify = async (req: IncomingMessage) => {
    const call = calls.opening(req);
    try {
      await pipeline.admit(call);
      await pipeline.prove(call, NOTHING);
      pipeline.close(call);
      return endingBySignature(call.caller);
    } catch (error) {
      throw pipeline.close(call, error)!;
    }
  };

  /** A signature was good for one call, which this was, so what it opened is not open for ever. */
  const endingBySignature = (caller: Caller): Caller => {
    if (caller.kind !== "account" || caller.via !== "signature") return caller;
    return { ...caller, expiresAt: new Date(ports.clock.now().getTime() + signedLife) };
  };

  /** Undefined when the peer has gone meanwhile. Throws why it is not opened. */
  const open = async (req: IncomingMessage, socket: Socket, head: Buffer, id: string) => {
    checkRequest(req);
    const { remoteAddress, encrypted = false } = socket as Socket & { encrypted?: boolean };
    const leave = seats.take(pipeline.remoteOf(req as CallRequest));
    try {
      const caller = await identify(req);
      const ws = handshake(req, socket, head);
      if (ws === undefined) return leave();
      ws.once("close", leave);
      const request = { headers: keptHeaders(req.headers), socket: { remoteAddress, encrypted } };
      const opening = { id, path: pathOf(req.url), query: openingQuery(req.url, signatureName), request };
      return { caller, line: new Line(ws, opening, (line) => oldestCursor(line, ports.key)) };
    } catch (error) {
      leave();
      throw error;
    }
  };

  const answer = async (line: Line, text: string): Promise<void> => {
    if (!text.startsWith("/")) await operations.answer(line, text);
    else if (isStream(rest, pathOf(text)))
      line.write(errorFrame({ op: pathOf(text) }, new DomainError("NOT_BY_REST", STREAMED)));
    else line.write(await answerPath(handler, line, text, onFailure));
  };

  return (req, socket, head) => {
    const id = ports.ids.next();
    open(req, socket, head, id).then(
      (opened) => {
        if (opened === undefined) return;
        readFrames(opened.line, (text) => answer(opened.line, text));
        hub.add(opened.line, opened.caller).catch(onFailure);
      },
      (error) => {
        if (!(error instanceof DomainError)) onFailure(error);
        refuseUpgrade(socket, id, error instanceof DomainError ? error : new DomainError("INTERNAL"));
      },
    );
  };
}

const STREAMED = 'What answers by a stream cannot answer a frame: send op "subscribe".';

/** Whether a GET of the path is answered by a stream. */
function isStream(rest: Pick<RestDoor, "match">, path: string): boolean {
  const match = rest.match("GET", path);
  return match !== undefined && "binding" in match && match.binding.method.stream;
}

/** What stands in the query, the first of each name, but for the signature. */
function openingQuery(url: string | undefined, signatureName: string): Record<string, string> {
  const query = new URLSearchParams(queryOf(url));
  query.delete(signatureName);
  return Object.fromEntries([...query].reverse());
}
