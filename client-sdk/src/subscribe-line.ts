import { toBackstayError } from "./backstay-error.js";
import { STREAMS_UNREADABLE } from "./cancellable-fetch.js";
import { createPause } from "./cancellation.js";
import { SOCKET_UNOPENED } from "./socket-line.js";
import type { OpenSubscribeStream, SubscribeItem, SubscribeStream } from "./subscribe-stream.js";

const PATIENCE_MS = 5_000;
const DOES_NOT_WORK_HERE = new Set([STREAMS_UNREADABLE, SOCKET_UNOPENED]);

/** One way to connect, and how its first words went. */
interface Try {
  open: OpenSubscribeStream;
  stream: SubscribeStream;
  first: Promise<SubscribeItem | undefined>;
}

/**
 * Connects in the first of two ways that works here, and remembers it for the connections to come. The second is tried
 * when the first cannot work, or says nothing for 5 s, as behind a proxy that keeps answers until they are whole; whichever
 * speaks first is taken. Nothing was handed out until then, so that the subscription has no seam.
 */
export function createSubscribeLine(stream: OpenSubscribeStream, socket: OpenSubscribeStream): OpenSubscribeStream {
  let order = [stream, socket] as const;

  return (init) => {
    const [usual, other] = order;
    const tries: Try[] = [];
    let taken: SubscribeStream | undefined;

    function start(open: OpenSubscribeStream): Try {
      const stream = open(init);
      const first = stream.next();
      first.catch(() => {});
      const one = { open, stream, first };
      tries.push(one);
      return one;
    }
    async function settle(): Promise<SubscribeItem | undefined> {
      const one = start(usual);
      const trouble = await troubleOf(one, init.signal);
      const [winner, item] = await (trouble ? firstToSpeak([one, start(other)], trouble, init.signal) : spoken(one));
      if (winner.open === other) order = [other, usual];
      taken = winner.stream;
      closeOthers();
      return item;
    }
    function closeOthers() {
      for (const { stream } of tries) if (stream !== taken) stream.close();
    }

    return {
      get bearer() {
        return taken ? taken.bearer : init.bearer;
      },
      next: () => (taken ? taken.next() : settle()),
      close() {
        closeOthers();
        taken?.close();
      },
    };
  };
}

const SILENT = "silent";

/** Why it is time for the other way: `silent`, or the reason of the error. Undefined when it is not. */
async function troubleOf({ first }: Try, signal: AbortSignal): Promise<string | undefined> {
  const patience = createPause();
  const spoke = first.then(
    () => undefined,
    (error) => (doesNotWorkHere(error) ? toBackstayError(error).reason : undefined),
  );
  const silent = patience.wait(PATIENCE_MS, signal).then(
    () => SILENT,
    () => spoke,
  );
  const trouble = await Promise.race([spoke, silent]);
  patience.cut();
  return trouble;
}

async function firstToSpeak(tries: [Try, Try], trouble: string, signal: AbortSignal): Promise<Spoken> {
  const either = Promise.any(tries.map(spoken)).catch(({ errors }: AggregateError) => {
    throw errors.find((error) => !doesNotWorkHere(error)) ?? errors[1];
  });
  if (trouble !== SOCKET_UNOPENED) return either;
  // The network is away, most likely: streams, which did not work here before, are not waited for as long as usual.
  const patience = createPause();
  const late = patience.wait(PATIENCE_MS, signal).then(() => spoken(tries[0]));
  return Promise.race([either, late]).finally(patience.cut);
}

type Spoken = readonly [Try, SubscribeItem | undefined];

async function spoken(one: Try): Promise<Spoken> {
  return [one, await one.first];
}

function doesNotWorkHere(error: unknown): boolean {
  return DOES_NOT_WORK_HERE.has(toBackstayError(error).reason);
}
