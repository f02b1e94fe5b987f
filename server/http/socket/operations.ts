import type { Message } from "@bufbuild/protobuf";
import { EventService } from "#gen/backstay/events/v1/events_pb.js";
import { DomainError } from "../../kernel/errors.js";
import type { SocketFrame, SocketPaths } from "../../kernel/sockets.js";
import { Call } from "../../rpc/call.js";
import type { Codec } from "../../rpc/codec.js";
import type { Method } from "../../rpc/methods.js";
import type { Pipeline } from "../../rpc/pipeline.js";
import { checkHead, errorFrame, type Head, headOf, joined, opened, readObject } from "./frames.js";
import type { SocketCalls } from "./identify.js";
import { SUBSCRIPTIONS } from "./limits.js";
import type { Line } from "./line.js";
import { follow } from "./subscription.js";

/** What frames of JSON are answered by. */
export interface Operations {
  /** Answers a frame; never rejects. */
  answer(line: Line, text: string): Promise<void>;
}

export interface OperationParts {
  readonly methods: ReadonlyMap<string, Method>;
  readonly pipeline: Pipeline;
  readonly codec: Codec;
  readonly calls: SocketCalls;
  readonly paths: SocketPaths;
  /** Makes a socket the caller's of a call that identified him. */
  readonly own: (line: Line, caller: Line["caller"]) => Promise<void>;
  /** Told of what should never happen. */
  readonly onFailure: (error: unknown) => void;
}

/** An operation: returns the text of its answer, which begins with `head`, or undefined for none. */
type Operation = (line: Line, frame: SocketFrame, head: Head) => Promise<string | undefined>;

const NOTHING = Buffer.alloc(0);

/** Throws when the events' methods are not served. */
export function createOperations(parts: OperationParts): Operations {
  const { methods, pipeline, codec, calls, paths, own, onFailure } = parts;
  const subscribing = methodOf(methods, EventService.method.subscribe.name);
  const publishing = methodOf(methods, EventService.method.publish.name);

  /** Runs one call of a socket: admitted, closed, and logged like every call. */
  const run = async <T>(call: Call, work: () => T | Promise<T>): Promise<T> => {
    try {
      await admit(call);
      const done = await work();
      pipeline.close(call);
      return done;
    } catch (error) {
      throw pipeline.close(call, error)!;
    }
  };

  const admit = async (call: Call) => {
    await pipeline.admit(call);
    await pipeline.prove(call, NOTHING);
  };

  const auth: Operation = async (line, { token }, head) => {
    if (typeof token !== "string")
      throw new DomainError("MALFORMED_FRAME", "The token is missing.", { field: "token" });
    const call = calls.signingIn(line.callRequest(), token);
    await run(call, () => checkSame(line.caller, call.caller));
    await own(line, call.caller);
    return JSON.stringify({ ...head, status: 200, accountId: line.accountId });
  };

  const subscribe: Operation = async (line, frame) => {
    const id = frame.id as string | undefined;
    const call = new Call(subscribing, "socket", line.callRequest());
    try {
      if (line.subscriptions.has(id)) {
        throw new DomainError("MALFORMED_FRAME", "A subscription of this id is open.", { field: "id" });
      }
      if (line.subscriptions.size >= SUBSCRIPTIONS) throw new DomainError("TOO_MANY_STREAMS");
      await admit(call);
      const message = messageOf(subscribing, frame, codec);
      await follow(line, { call, id, messages: pipeline.stream(call, message) }, pipeline, codec);
    } catch (error) {
      throw pipeline.close(call, error)!;
    }
    return undefined;
  };

  const unsubscribe: Operation = async (line, frame, head) => {
    const id = frame.id as string | undefined;
    line.subscriptions.get(id)?.cancel();
    line.subscriptions.delete(id);
    return JSON.stringify({ ...head, status: 200 });
  };

  const publish: Operation = async (line, frame, head) => {
    const call = new Call(publishing, "socket", line.callRequest());
    const answer = await run(call, () => pipeline.invoke(call, messageOf(publishing, frame, codec)));
    return joined(opened({ ...head, status: 200 }), codec.encode("json", publishing.output, answer) as string);
  };

  const ofApp: Operation = async (line, frame, head) => {
    const handler = paths.find(line.path);
    if (handler === undefined) throw new DomainError("UNKNOWN_OPERATION");
    return run(calls.answering(line.callRequest()), async () => {
      const reply = await handler(frame, line);
      if (reply === undefined) return undefined;
      return JSON.stringify({ ...head, ...(isObject(reply) ? reply : { data: reply }) });
    });
  };

  const operations: ReadonlyMap<unknown, Operation> = new Map(
    Object.entries({ auth, subscribe, unsubscribe, publish }),
  );

  return {
    async answer(line, text) {
      let head: Head = { op: "error" };
      try {
        const frame = readObject(text);
        head = headOf(frame);
        checkHead(frame);
        const answer = await (operations.get(frame.op) ?? ofApp)(line, frame, head);
        if (answer !== undefined) line.write(answer);
      } catch (error) {
        if (!(error instanceof DomainError)) onFailure(error);
        line.write(errorFrame(head, error instanceof DomainError ? error : new DomainError("INTERNAL")));
      }
    },
  };
}

function methodOf(methods: ReadonlyMap<string, Method>, name: string): Method {
  const method = methods.get(`/${EventService.typeName}/${name}`);
  if (method === undefined) throw new Error(`sockets need ${EventService.typeName}.${name}, which is not served`);
  return method;
}

/** The request that a frame makes, read as the JSON of a Connect call is. */
function messageOf(method: Method, { op: _, id: __, ...fields }: SocketFrame, codec: Codec): Message {
  let json: string;
  try {
    json = JSON.stringify(fields);
  } catch {
    throw new DomainError("MALFORMED_FRAME", "The frame is nested too deep.");
  }
  return codec.decode("json", method.input, Buffer.from(json));
}

/** Throws NOT_YOUR_ACCOUNT when a socket that is somebody's would become another's. */
function checkSame(before: Line["caller"], after: Line["caller"]): void {
  const isSame =
    before.kind === "anonymous" ||
    (before.kind === "account" && after.kind === "account"
      ? before.accountId === after.accountId
      : before.kind === after.kind);
  if (!isSame) throw new DomainError("NOT_YOUR_ACCOUNT", "The socket is another account's: open another one.");
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
