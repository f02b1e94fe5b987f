import type { Message } from "@bufbuild/protobuf";
import { DomainError } from "../../kernel/errors.js";
import { Call, type CallRequest } from "../../rpc/call.js";
import type { Codec } from "../../rpc/codec.js";
import type { Request, Response } from "../../rpc/dispatcher.js";
import type { Method } from "../../rpc/methods.js";
import type { Pipeline } from "../../rpc/pipeline.js";
import { streamForm } from "./accept.js";
import { type Binding, bindingsOf } from "./bindings.js";
import { eventIdOf } from "./event-id.js";
import { messageWriter } from "./message-json.js";
import { readRequest } from "./request.js";
import { headerOf, sendError, sendJson } from "./response.js";
import { createRouter, type RestMatch, type Router } from "./router.js";
import { sendHead, sendStream } from "./stream.js";
import { streamLayouts } from "./stream-form.js";
import { serverTimeout } from "./timeout.js";

export interface RestDoor extends Router {
  /** Answers a call of the binding that `match` found. */
  handle(req: Request, res: Response, match: RestMatch): Promise<void>;
}

/** What is known of a binding's answer before any call. */
interface Answering {
  readonly write: (message: Message) => string;
  readonly layouts: ReturnType<typeof streamLayouts>;
}

/**
 * Answers the paths that google.api.http gives to methods, by way of the same pipeline as every other door. Throws, naming
 * the method, when a rule is wrong or two are the same.
 */
export function createRestDoor(
  methods: Iterable<Method>,
  pipeline: Pipeline,
  codec: Codec,
  options: { ignoreUnknownFields: boolean },
): RestDoor {
  const bindings = [...methods].flatMap(bindingsOf);
  const router = createRouter(bindings);
  const answerings = new Map<Binding, Answering>();
  for (const binding of bindings) {
    const layouts = streamLayouts(eventIdOf(binding.method.output));
    answerings.set(binding, { write: messageWriter(binding, codec), layouts });
  }
  const readOptions = { ...options, limit: pipeline.messageBytes };

  return {
    match: router.match,
    async handle(req, res, match) {
      const { method } = match.binding;
      const call = new Call(method, "rest", req as CallRequest);
      const answering = answerings.get(match.binding)!;
      res.once("close", () => {
        if (!res.writableEnded) call.abort(new DomainError("CALL_CANCELED"));
      });
      let json: string;
      try {
        call.timeoutMs = serverTimeout(req.headers["x-server-timeout"]);
        const admitted = pipeline.admit(call);
        if (admitted !== undefined) await call.within(admitted);
        const message = await call.within(readRequest(req, match, codec, readOptions));
        if (method.stream) return await answerStream(req, res, call, message, answering);
        json = answering.write(await pipeline.invoke(call, message));
        pipeline.close(call);
      } catch (error) {
        return sendError(req, res, call.requestId, pipeline.close(call, error)!);
      }
      await sendJson(req, res, call.requestId, json);
    },
  };

  async function answerStream(
    req: Request,
    res: Response,
    call: Call,
    message: Message,
    { write, layouts }: Answering,
  ): Promise<void> {
    const layout = layouts[streamForm(headerOf(req, "accept"))];
    if (req.method !== "HEAD") {
      return sendStream(res, call, pipeline, { messages: pipeline.stream(call, message), layout, write });
    }
    pipeline.close(call);
    sendHead(res, call, layout);
    res.end();
  }
}
