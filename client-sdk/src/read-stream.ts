import type { DescMessage, DescMethodServerStreaming, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { toBackstayError } from "./backstay-error.js";
import { isStaleToken } from "./call.js";
import { linkAbort, orAbort } from "./cancellation.js";
import { requestHeaders } from "./request-headers.js";
import type { Session } from "./session.js";
import { only } from "./subscribe-stream.js";

/** How to read an answer that comes in parts. */
export interface ReadOptions {
  /** Gives it up: the iteration rejects with the code `canceled`. */
  signal?: AbortSignal | undefined;
  /** More request headers, by name. */
  headers?: Readonly<Record<string, string>> | undefined;
}

/** What such answers are read with. */
export interface ReadParts {
  transport: Transport;
  session: Session;
}

/**
 * An answer in parts, once: it is asked for with the first `next()`, ends with the last part, and rejects when it breaks before.
 * Leaving the loop ends it.
 */
export async function* readStream<I extends DescMessage, O extends DescMessage>(
  { transport, session }: ReadParts,
  method: DescMethodServerStreaming<I, O>,
  request: MessageInitShape<I>,
  options: ReadOptions = {},
): AsyncGenerator<MessageShape<O>, undefined> {
  const controller = new AbortController();
  const unlink = linkAbort(options.signal, controller);
  const { signal } = controller;

  const open = async (bearer: string | undefined) => {
    const headers = requestHeaders(options.headers, bearer);
    const { message } = await transport.stream(method, signal, undefined, headers, only(request));
    const parts = message[Symbol.asyncIterator]();
    // Who may not ask is told so in place of the first part.
    return { parts, first: await orAbort(parts.next(), signal) };
  };
  const openAs = async () => {
    const bearer = await orAbort(session.bearer(), signal);
    try {
      return await open(bearer);
    } catch (thrown) {
      const error = toBackstayError(thrown);
      if (!bearer || !isStaleToken(error) || !(await orAbort(session.renew(bearer), signal))) throw error;
      return await open(await orAbort(session.bearer(), signal));
    }
  };

  try {
    const { parts, first } = await openAs();
    for (let part = first; !part.done; part = await orAbort(parts.next(), signal)) yield part.value;
    return undefined;
  } catch (thrown) {
    throw toBackstayError(thrown);
  } finally {
    unlink();
    controller.abort();
  }
}
