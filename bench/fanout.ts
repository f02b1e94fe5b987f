/** `npm run bench -- fanout`: what it costs to tell a thousand streams one event, beside raw writes and connect-node. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, startServer } from "./processes.js";
import { type Saying, type StreamTarget, startReaders } from "./streams-readers.js";
import { publishing, startStreamSubject, streamTarget } from "./streams-subject.js";

const { values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    streams: { type: "string", default: "1000" },
    rounds: { type: "string", default: "5" },
    /** Events of one slice. */
    events: { type: "string", default: "30" },
    /** Does it run, not how fast. */
    quick: { type: "boolean", default: false },
  },
});
const streams = flags.quick ? 50 : Number(flags.streams);
const rounds = flags.quick ? 2 : Number(flags.rounds);
const events = flags.quick ? 5 : Number(flags.events);

/**
 * An event of the moment goes to the streams alone, as in the references; one of the log is written to the database first, which
 * is shown beside it. What is promised of the first: the most of the raw writes' processor time, and how many times less than connect-node's. */
const GOAL = { raw: 1.5, library: 5 };

interface Subject {
  /** Those of one group have the same streams. */
  group: string;
  target: StreamTarget;
  say: Saying;
  pid: number;
}

const subject = await startStreamSubject();
const references = await startServer(["--import", "tsx", join(ROOT, "bench/fanout-server.ts")]);
const readers = startReaders();
try {
  const report = [];
  for (const protocol of ["http1", "http2"] as const) report.push(await compare(protocol));
  console.log(
    JSON.stringify({ date: new Date().toISOString(), node: process.versions.node, streams, rounds, report }, null, 2),
  );
} finally {
  readers.stop();
  await references.stop();
  await subject.stop();
}

type Told = Awaited<ReturnType<typeof readers.tell>>;

async function compare(protocol: "http1" | "http2") {
  const subjects = await subjectsOf(protocol);
  const groups = new Map(subjects.map(({ group, target }) => [group, target]));
  for (const [group, target] of groups) await readers.open(group, target, streams);
  const tell = async ({ group, say, pid }: Subject) => readers.tell(group, say, events, pid);
  for (const each of Object.values(subjects)) await tell(each);
  const slices: Told[][] = subjects.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [n, each] of subjects.entries()) slices[n]!.push(await tell(each));
  }
  for (const group of groups.keys()) await readers.close(group);
  const [ours, raw, library, logged] = slices as [Told[], Told[], Told[], Told[]];
  const ratio = (over: Told[], under: Told[]) => spread(over.map(({ cpuUs }, n) => cpuUs / under[n]!.cpuUs));
  const ofRaw = ratio(ours, raw);
  const ofLibrary = ratio(library, ours);
  return {
    name: protocol === "http1" ? "Connect JSON over HTTP/1.1" : "gRPC over HTTP/2",
    backstay: show(ours),
    raw: { name: protocol === "http1" ? "node:http" : "node:http2", ...show(raw) },
    library: { name: "connect-node", ...show(library) },
    /** What a database and the log add to one event, over all its deliveries. */
    logged: show(logged),
    ofRaw: { ...ofRaw, goal: { most: GOAL.raw, met: ofRaw.median <= GOAL.raw } },
    libraryOfOurs: { ...ofLibrary, goal: { least: GOAL.library, met: ofLibrary.median >= GOAL.library } },
    /** What is left of the goal when the kernel does as much for raw writes: no server can be cheaper than they are by much. */
    libraryOfRaw: ratio(library, raw),
  };
}

async function subjectsOf(protocol: "http1" | "http2"): Promise<Subject[]> {
  const token = await subject.signUp(`reader-${protocol}`);
  const { port, pid } = subject.server;
  const ports = (await (await fetch(`http://127.0.0.1:${references.port}/`)).json()) as Record<string, number>;
  const reference = (kind: string): Subject => {
    const group = `${kind}${protocol === "http1" ? 1 : 2}`;
    const say = { ...publishing(references.port, "none"), path: `/say/${group}` };
    return { group, target: streamTarget(protocol, ports[group]!), say, pid: references.pid };
  };
  const ours = (ephemeral: boolean): Subject => {
    const say = publishing(port, token, { ephemeral });
    return { group: "backstay", target: streamTarget(protocol, port, token), say, pid };
  };
  return [ours(true), reference("raw"), reference("library"), ours(false)];
}

/** Medians: microseconds of the processor for each delivery, and milliseconds until an event has reached all. */
function show(some: Told[]) {
  return {
    cpuUs: spread(some.map(({ cpuUs }) => cpuUs)).median,
    msPerEvent: spread(some.map(({ msPerEvent }) => msPerEvent)).median,
  };
}

function spread(values: number[]) {
  const sorted = values.map((value) => Math.round(value * 100) / 100).sort((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)]!, min: sorted[0]!, max: sorted.at(-1)! };
}
