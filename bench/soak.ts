/** `npm run bench -- soak`: whether a server that streams, loses streams and publishes for minutes keeps its memory. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, residentMiB } from "./processes.js";
import { publishing, startStreamSubject, streamTarget } from "./streams-subject.js";

const { values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: "string", default: "10" },
    streams: { type: "string", default: "2000" },
    quick: { type: "boolean", default: false },
  },
});
const minutes = flags.quick ? 0.2 : Number(flags.minutes);
const streams = flags.quick ? 100 : Number(flags.streams);

/** MiB of living heap that a minute adds over the second half: the first fills caches and pools. */
const GOAL = { mostMiBPerMinute: 1 };
const ACCOUNTS = 20;
const CHURN_MS = 50;
const PUBLISH_MS = 20;
const SAMPLE_MS = flags.quick ? 1_000 : 15_000;

const subject = await startStreamSubject(["--expose-gc", "--import", join(ROOT, "bench/heap-on-signal.mjs")]);
const open = new Set<net.Socket>();
try {
  const { port, pid } = subject.server;
  const tokens = await Promise.all(Array.from({ length: ACCOUNTS }, (_, n) => subject.signUp(`soak-${n}`)));
  let next = 0;
  const openOne = () => {
    const target = streamTarget("http1", port, tokens[next++ % ACCOUNTS]);
    const socket = net.connect(port, "127.0.0.1", () => socket.write("request" in target ? target.request : ""));
    socket.on("error", () => {}).on("close", () => open.delete(socket));
    socket.resume();
    open.add(socket);
  };
  for (let n = 0; n < streams; n++) openOne();

  let published = 0;
  let failed = 0;
  const publish = async () => {
    const { path, headers, body } = publishing(port, tokens[published++ % ACCOUNTS]!);
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", headers, body });
    await response.arrayBuffer();
    if (!response.ok) failed++;
  };
  const timers = [
    setInterval(() => {
      // One goes, by a reset as often as in order, and another comes.
      const [oldest] = open;
      if (next % 2 === 0) oldest?.resetAndDestroy();
      else oldest?.destroy();
      openOne();
    }, CHURN_MS),
    setInterval(() => void publish().catch(() => failed++), PUBLISH_MS),
  ];
  const samples: { minute: number; mib: number; resident: number }[] = [];
  const began = performance.now();
  while (performance.now() - began < minutes * 60_000) {
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    samples.push({
      minute: (performance.now() - began) / 60_000,
      mib: await livingHeapMiB(pid),
      resident: residentMiB(pid),
    });
  }
  for (const timer of timers) clearInterval(timer);
  const second = samples.slice(samples.length / 2);
  const mibPerMinute = Math.round(slope(second) * 100) / 100;
  const report = {
    date: new Date().toISOString(),
    node: process.versions.node,
    minutes,
    streams,
    opened: next,
    published,
    failed,
    heapMiB: { first: round(samples[0]!.mib), middle: round(second[0]!.mib), last: round(second.at(-1)!.mib) },
    residentMiB: { first: round(samples[0]!.resident), last: round(second.at(-1)!.resident) },
    mibPerMinute,
    goal: { ...GOAL, met: mibPerMinute <= GOAL.mostMiBPerMinute && failed === 0 },
  };
  console.log(JSON.stringify(report, null, 2));
} finally {
  for (const socket of open) socket.destroy();
  await subject.stop();
}

/** What is left of a server's heap after its garbage was collected. */
async function livingHeapMiB(pid: number): Promise<number> {
  const file = join(tmpdir(), `backstay-heap-${pid}`);
  process.kill(pid, "SIGUSR2");
  while (!existsSync(file) || readFileSync(file, "utf8") === "")
    await new Promise((resolve) => setTimeout(resolve, 20));
  const bytes = Number(readFileSync(file, "utf8"));
  rmSync(file);
  return bytes / 2 ** 20;
}

/** By least squares: what a minute adds. */
function slope(points: readonly { minute: number; mib: number }[]): number {
  const mean = (of: (point: { minute: number; mib: number }) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean(({ minute }) => minute), mean(({ mib }) => mib)];
  const over = points.reduce((sum, { minute, mib }) => sum + (minute - x) * (mib - y), 0);
  return over / points.reduce((sum, { minute }) => sum + (minute - x) ** 2, 0);
}

function round(mib: number): number {
  return Math.round(mib * 10) / 10;
}
