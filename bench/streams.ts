/** `npm run bench -- streams`: what idle streams take, how soon a broadcast reaches them, and what slow readers cost others. */
import { parseArgs } from "node:util";
import { residentMiB } from "./processes.js";
import { startReaders } from "./streams-readers.js";
import { publishing, startStreamSubject, streamTarget } from "./streams-subject.js";

const { values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    streams: { type: "string", default: "10000" },
    protocol: { type: "string", default: "http1" },
    slow: { type: "string", default: "1000" },
    /** Does it run, not how well. */
    quick: { type: "boolean", default: false },
  },
});
const idle = flags.quick ? 200 : Number(flags.streams);
const slow = flags.quick ? 50 : Number(flags.slow);
const protocol = flags.protocol === "http2" ? "http2" : "http1";

const GOAL = { kbPerStream: 25, broadcastMs: 3_000, p99Ratio: 1.5 };
const WATCHERS = 50;
/** The pace of events while readers are slow: large enough that a slow reader's buffers are full soon. */
const PACE = { times: flags.quick ? 40 : 300, everyMs: 20, characters: 2_000 };
/** What a server needs when it first has streams is not the streams'. */
const FIRST = 100;

const subject = await startStreamSubject();
const readers = startReaders();
// Readers that are slow have a processor's time of their own.
const others = startReaders();
try {
  const { port, pid } = subject.server;
  const report = { date: new Date().toISOString(), node: process.versions.node };
  const token = await subject.signUp("idle");
  const target = streamTarget(protocol, port, token, 1);
  const say = publishing(port, token);

  await readers.open("first", target, FIRST);
  await readers.tell("first", say, 5, pid);
  await settled();
  const before = residentMiB(pid);
  await readers.open("idle", target, idle);
  await settled();
  const after = residentMiB(pid);
  const { msPerEvent } = await readers.tell("idle", say, 1, pid);
  await settled();
  const kbPerStream = Math.round((((after - before) * 1024) / idle) * 10) / 10;
  await readers.close("idle");
  await readers.close("first");

  const crowdToken = await subject.signUp("crowd");
  const paced = publishing(port, crowdToken, { characters: PACE.characters });
  await others.open("crowd", streamTarget("http2", port, crowdToken, 1), slow);
  // Opened last, so that the hub comes to them last.
  await readers.open("watchers", streamTarget("http1", port, crowdToken), WATCHERS);
  await readers.pace("watchers", paced, 20, PACE.everyMs);
  const reading = await readers.pace("watchers", paced, PACE.times, PACE.everyMs);
  await others.pause("crowd");
  const beside = await readers.pace("watchers", paced, PACE.times, PACE.everyMs);
  await others.close("crowd");
  const alone = await readers.pace("watchers", paced, PACE.times, PACE.everyMs);
  const ratio = Math.round((beside.p99 / reading.p99) * 100) / 100;
  console.log(
    JSON.stringify(
      {
        ...report,
        idle: {
          protocol,
          streams: idle,
          kbPerStream,
          broadcastMs: Math.round(msPerEvent),
          goal: {
            kbPerStream: GOAL.kbPerStream,
            broadcastMs: GOAL.broadcastMs,
            met: kbPerStream <= GOAL.kbPerStream && msPerEvent <= GOAL.broadcastMs,
          },
        },
        slow: {
          readers: slow,
          watchers: WATCHERS,
          withCrowdReading: reading,
          withCrowdSlow: beside,
          withoutCrowd: alone,
          ratio,
          goal: { most: GOAL.p99Ratio, met: ratio <= GOAL.p99Ratio },
        },
      },
      null,
      2,
    ),
  );
} finally {
  readers.stop();
  others.stop();
  await subject.stop();
}

/** Time for what was thrown away to be collected. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, flags.quick ? 500 : 5_000));
}
