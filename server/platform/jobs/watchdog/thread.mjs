// The thread of the watchdog (see watchdog.ts), in plain JavaScript so that it is there at once. It never waits for anything
// that the main thread would have to do.
import { writeSync } from "node:fs";
import { workerData } from "node:worker_threads";

const { shared, layout, limitMs, facts } = workerData;
const { BEAT, RUNNING, NOTHING, HEADER_BYTES, SLOT_BYTES, TICK_MS, SLOTS } = layout;
const header = new Int32Array(shared, 0, HEADER_BYTES / 4);
const bytes = Buffer.from(shared);

let beat = 0;
// Ticks without a beat. They are counted, not timed: while the whole process is stopped, or the machine sleeps, none passes.
let silent = 0;
for (;;) {
  // Asleep while no job runs.
  if (Atomics.wait(header, RUNNING, 0) === "ok") silent = 0;
  Atomics.wait(header, NOTHING, 0, TICK_MS);
  const latest = Atomics.load(header, BEAT);
  silent = latest === beat ? silent + 1 : 0;
  beat = latest;
  if (silent * TICK_MS >= limitMs && Atomics.load(header, RUNNING) > 0) end();
}

function end() {
  const [last, ...others] = jobs();
  const seconds = limitMs / 1000;
  const msg = `this process did nothing for ${seconds} s but run jobs, the last of them ${last?.job}: it ends here, and they count as attempted`;
  write(`${JSON.stringify({ level: 60, time: new Date().toISOString(), ...facts, ...last, others, msg })}\n`);
  process.kill(process.pid, "SIGKILL");
}

/** The jobs that run, the one that was active last first. */
function jobs() {
  const found = [];
  for (let at = HEADER_BYTES; at < HEADER_BYTES + SLOTS * SLOT_BYTES; at += SLOT_BYTES) {
    const active = bytes.readDoubleLE(at);
    if (active === 0) continue;
    const [id, job] = bytes.toString("latin1", at + 9, at + 9 + bytes[at + 8]).split(" ");
    found.push({ active, job, id });
  }
  return found.sort((a, b) => b.active - a.active).map(({ job, id }) => ({ job, id }));
}

/** Writes to standard error, also when whoever reads it is slow, for two seconds at most. */
function write(text) {
  let rest = Buffer.from(text);
  for (let tries = 0; tries < 100 && rest.length > 0; tries++) {
    try {
      rest = rest.subarray(writeSync(2, rest));
    } catch {
      Atomics.wait(header, NOTHING, 0, 20);
    }
  }
}
