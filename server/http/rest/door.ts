import type { Message } from "@bufbuild/protobuf";
import { streamForm } from "./accept.js";
import { asWritten } from "./as-written.js";
import { type Binding, bindingsOf } from "./bindings.js";
import { eventIdOf } from "./event-id.js";
import {
  Call,
  type CallRequest,
  type Codec,
  checkShape,
  DomainError,
  hangUpAfter,
  type Method,
  type Pipeline,
  type Request,
  type Response,
} from "./house.js";
import { bytesOf, NOSNIFF } from "./http-body.js";
import { messageWriter } from "./message-json.js";
import type { RestOptions } from "./options.js";
import { requestMessage } from "./request.js";
import { isJson, readRequestBody } from "./request-body.js";
import { headerOf, sendBytes, sendError, sendHeadersOnly, sendJson } from "./response.js";
import { createRouter, type RestMatch, type Router } from "./router.js";
import { sendHead, sendStream } from "./stream.js";
import { bytesLayout, type StreamLayout, streamLayouts } from "./stream-form.js";
import { serverTimeout } from "./timeout.js";
import { uploadedMessages } from "./upload.js";

export interface RestDoor extends Router {
  /** Answers a call of the binding that `match` found. */
  handle(req: Request, res: Response, match: RestMatch): Promise<void>;
}

/** What is known of a binding's answer before any call. */
interface Answering {
  readonly json: (message: Message) => string;
  /** The layout of a stream for who likes these types. */
  readonly layout: (accept: string | undefined) => StreamLayout;
}

const UPLOAD_BYTES = 10 * 2 ** 20;
const NOTHING = Buffer.alloc(0);

/**
 * Answers the paths that google.api.http gives to methods, by way of the same pipeline as every other door. Throws, naming
 * the method, when a rule is wrong or two are the same.
 */
export function createRestDoor(
  methods: Iterable<Method>,
  pipeline: Pipeline,
  codec: Codec,
  options: RestOptions,
): RestDoor {
  const { forms, uploadBytes = UPLOAD_BYTES, cursorFields = ["cursor"] } = options;
  const bindings = [...methods].flatMap(bindingsOf);
  const router = createRouter(bindings);
  const answerings = new Map(bindings.map((binding) => [binding, answering(binding)]));

  return {
    match: router.match,
    async handle(req, res, match) {
      const { binding } = match;
      const { method } = binding;
      const call = new Call(method, "rest", req as CallRequest);
      if (method.longLived) {
        res.once("close", () => {
          if (!res.writableEnded) call.abort(new DomainError("CALL_CANCELED"));
        });
      }
      try {
        call.timeoutMs = serverTimeout(req.headers["x-server-timeout"]);
        // Awaiting what is already known would cost a turn of the loop.
        const admitted = pipeline.admit(call);
        if (admitted !== undefined) await call.within(admitted);
        if (method.streamsRequests) return await answerUpload(req, res, call, match);
        const read = readRequestBody(req, binding, pipeline.messageBytes);
        const body = read instanceof Promise ? await call.within(read) : read;
        const proved = pipeline.prove(call, body);
        if (proved !== undefined) await call.within(proved);
        const values = takesForm(req, binding, body) ? await call.within(readForm(req, body)) : body;
        const message = requestMessage(req, match, values, call, codec, options);
        if (req.method === "HEAD" && binding.httpMethod === "GET") return answerHead(req, res, call, binding, message);
        if (method.stream) {
          const { layout } = answerings.get(binding)!;
          const messages = pipeline.stream(call, message);
          return await sendStream(res, call, pipeline, { messages, layout: layout(headerOf(req, "accept")) });
        }
        const answer = pipeline.invoke(call, message);
        sendAnswer(req, res, call, binding, answer instanceof Promise ? await answer : answer);
      } catch (error) {
        if (method.streamsRequests) hangUpUnlessRead(req, res);
        sendError(req, res, call, asWritten(binding, req.url, pipeline.close(call, error)!));
      }
    },
  };

  function answering(binding: Binding): Answering {
    const json = messageWriter(binding, codec);
    const bytes = bytesLayout(binding);
    const layouts = streamLayouts(json, eventIdOf(binding.method.output, cursorFields));
    return { json, layout: (accept) => bytes ?? layouts[streamForm(accept)] };
  }

  function sendAnswer(req: Request, res: Response, call: Call, binding: Binding, message: Message): void {
    const { method, givesBytes } = binding;
    if (givesBytes === undefined) {
      const json = answerings.get(binding)!.json(message);
      pipeline.close(call);
      sendJson(req, res, call, json);
    } else {
      sendBytes(res, call, bytesOf(method.output, message, givesBytes));
      pipeline.close(call);
    }
  }

  /** Answers what is known without the verb: that the request is one it would be given. */
  function answerHead(req: Request, res: Response, call: Call, binding: Binding, message: Message): void {
    checkShape(binding.method.input, message);
    pipeline.close(call);
    if (binding.givesBytes !== undefined) sendHeadersOnly(res, call, { ...NOSNIFF });
    else if (!binding.method.stream) sendHeadersOnly(res, call, { "content-type": "application/json" });
    else {
      sendHead(res, call, answerings.get(binding)!.layout(headerOf(req, "accept")));
      res.end();
    }
  }

  async function answerUpload(req: Request, res: Response, call: Call, match: RestMatch): Promise<void> {
    const { binding } = match;
    if (binding.method.stream || binding.takesBytes === undefined) throw new DomainError("NOT_BY_REST");
    // Bytes that are still to come can be proved by nobody; a signature that is made over them fails here.
    const proved = pipeline.prove(call, NOTHING);
    if (proved !== undefined) await call.within(proved);
    const first = requestMessage(req, match, NOTHING, call, codec, options);
    const answer = await pipeline.invoke(call, uploadedMessages(req, call, binding, first, uploadBytes));
    hangUpUnlessRead(req, res);
    sendAnswer(req, res, call, binding, answer);
  }

  function takesForm(req: Request, { method, body, takesBytes }: Binding, bytes: Buffer): boolean {
    if (forms === undefined || body === "none" || takesBytes !== undefined || bytes.length === 0) return false;
    return !isJson(req) && forms.allow(method);
  }

  function readForm(req: Request, bytes: Buffer) {
    return forms!.parse(req.headers["content-type"], bytes);
  }
}

/** A verb may have seen enough of an upload before all of it was sent. */
function hangUpUnlessRead(req: Request, res: Response): void {
  if (!req.complete) hangUpAfter(req, res);
}
