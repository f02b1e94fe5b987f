/**
 * The caller of the bench, a process of its own. Each message of its parent is one slice: it keeps `inFlight` requests
 * running for a short run-in and then `ms` milliseconds, and answers what it saw and what the server's processor did.
 */
import { readFileSync } from "node:fs";
import { connectGrpc } from "./load-grpc.mjs";
import { connectHttp1 } from "./load-http1.mjs";

const RUN_IN_MS = 250;
/** Ticks of /proc/PID/stat in a second: the kernel counts exactly and shows hundredths. */
const TICKS = 100;

process.on("message", async (slice) => {
  try {
    process.send(await run(slice));
  } catch (error) {
    process.send({ error: error.message });
  }
});
process.on("disconnect", () => process.exit());

async function run({ protocol, port, pid, databasePid, inFlight, ms, requests, once }) {
  const connect = protocol === "grpc" ? connectGrpc : connectHttp1;
  const callers = await connect(port, inFlight);
  const state = { running: true, measuring: false, latencies: [], error: undefined };
  const take = once ? eachOnce(requests) : undefined;
  const workers = callers.map((call, index) => work(call, state, take ?? inTurn(requests, index)));
  await sleep(RUN_IN_MS);
  const began = performance.now();
  const before = cpuSeconds(pid);
  const databaseBefore = databasePid && databaseSeconds(databasePid);
  const callersBefore = cpuSeconds(process.pid);
  state.measuring = true;
  await sleep(ms);
  state.measuring = false;
  const used = cpuSeconds(pid) - before;
  const databaseUsed = databasePid && databaseSeconds(databasePid) - databaseBefore;
  const callersUsed = cpuSeconds(process.pid) - callersBefore;
  const seconds = (performance.now() - began) / 1000;
  state.running = false;
  await Promise.all(workers);
  for (const call of callers) call.close();
  if (state.error !== undefined) throw state.error;
  const sorted = Float64Array.from(state.latencies).sort();
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return {
    requests: sorted.length,
    cpuUs: (used / sorted.length) * 1e6,
    ...(databasePid && { databaseCpuUs: (databaseUsed / sorted.length) * 1e6 }),
    busy: used / seconds,
    callersBusy: callersUsed / seconds,
    rps: sorted.length / seconds,
    p50: at(0.5),
    p99: at(0.99),
  };
}

/** All requests again and again. Each caller starts elsewhere in the list. */
function inTurn(requests, index) {
  let next = index * 7;
  return () => requests[next++ % requests.length];
}

/** Each request once, whichever caller takes it. */
function eachOnce(requests) {
  let next = 0;
  return () => {
    if (next === requests.length) throw new Error(`a slice has no more than ${next} requests`);
    return requests[next++];
  };
}

/** One caller: the next request as soon as the answer is there. */
async function work(call, state, take) {
  try {
    while (state.running) {
      const request = take();
      const began = performance.now();
      await call(request);
      if (state.measuring) state.latencies.push(performance.now() - began);
    }
  } catch (error) {
    state.error ??= error;
    state.running = false;
  }
}

/** What a process has used of the processors, all its threads together. */
function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** The same for a PostgreSQL server: all its processes but those that end meanwhile, as its workers do. */
function databaseSeconds(postmaster) {
  const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, "latin1").trim().split(" ");
  return children.reduce((sum, child) => {
    try {
      return sum + cpuSeconds(child);
    } catch {
      return sum;
    }
  }, 0);
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
