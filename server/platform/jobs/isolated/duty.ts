import type { ClaimedJob } from "../../queue/queue.js";
import { jsonText } from "../json-text.js";
import type { JobLine, Outcome } from "../runner.js";
import { type FromChild, type ToChild, uncarried, wordsOf } from "./protocol.js";

/** A job worker's line to the server. */
export interface ServerLine {
  send(message: FromChild): void;
  onMessage(listener: (message: ToChild) => void): void;
}

/** A job worker's side of the line. */
export interface Duty {
  /** What the server told first. */
  readonly brief: Promise<unknown>;
  /** Has the server do what only it can. Rejects as that does. */
  call(name: string, ...values: unknown[]): Promise<unknown>;
  /** Says that it is ready, and runs what it is given from now on. */
  serve(run: (job: ClaimedJob, line: JobLine) => Promise<Outcome>): void;
}

/** So often at most the server is told how far a job is. */
const PROGRESS_EVERY_MS = 100;

/** Takes up a job worker's duty. */
export function takeDuty(line: ServerLine): Duty {
  const calls = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let lastCall = 0;
  const ending = new Map<number, AbortController>();
  let run: Parameters<Duty["serve"]>[0] | undefined;
  let begin = (_: unknown) => {};
  const brief = new Promise<unknown>((resolve) => {
    begin = resolve;
  });

  const ask = (name: string, values: readonly unknown[], turn?: number) =>
    new Promise<unknown>((resolve, reject) => {
      const call = ++lastCall;
      line.send({ backstay: "call", call, turn, name, values });
      calls.set(call, { resolve, reject });
    });

  const serveTurn = async (turn: number, job: ClaimedJob) => {
    line.send({ backstay: "began", turn });
    const end = new AbortController();
    ending.set(turn, end);
    const progress = atMostEvery(PROGRESS_EVERY_MS, (json: string) => line.send({ backstay: "progress", turn, json }));
    const outcome = await outcomeOf(() =>
      run!(job, {
        signal: end.signal,
        heartbeat: async () => void (await ask("heartbeat", [], turn)),
        progress: (value) => progress.tell(jsonText(value, "The job's progress") ?? "null"),
        log: (message, facts) => line.send({ backstay: "log", turn, message, facts: plain(facts) }),
      }),
    );
    ending.delete(turn);
    progress.flush();
    line.send({ backstay: "ended", turn, outcome });
  };

  line.onMessage((message) => {
    if (message.backstay === "begin") begin(message.brief);
    else if (message.backstay === "run") void serveTurn(message.turn, message.job);
    else if (message.backstay === "abort") ending.get(message.turn)?.abort(new Error(message.reason));
    else {
      const { call, value, error } = message;
      const caller = calls.get(call);
      calls.delete(call);
      if (error === undefined) caller?.resolve(value);
      else caller?.reject(uncarried(error));
    }
  });

  return {
    brief,
    call: (name, ...values) => ask(name, values),
    serve(how) {
      run = how;
      line.send({ backstay: "ready" });
    },
  };
}

/** What the server is told of a turn: a result as the JSON that it makes, since what has methods cannot be sent. */
async function outcomeOf(run: () => Promise<Outcome>): Promise<Outcome> {
  try {
    const outcome = await run();
    return outcome.kind === "done" ? { kind: "done", result: plain(outcome.result) } : outcome;
  } catch (error) {
    return { kind: "failed", error: wordsOf(error) };
  }
}

function plain<T>(value: T): T {
  return value === undefined ? value : JSON.parse(JSON.stringify(value) ?? "null");
}

/** Tells at once, and after that the latest, at most so often. */
function atMostEvery(ms: number, tell: (json: string) => void) {
  let next: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (next === undefined) return;
    const json = next;
    next = undefined;
    timer = setTimeout(flush, ms);
    tell(json);
  };
  return {
    tell(json: string) {
      next = json;
      if (timer === undefined) flush();
    },
    flush,
  };
}
