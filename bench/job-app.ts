/** The app that the bench of jobs has Backstay run: what it is to do stands in BENCH_WHAT. Prints one JSON object, and ends. */
import { setTimeout as pause } from "node:timers/promises";
import { backend } from "backstay";

const what = process.env.BENCH_WHAT!;
const count = Number(process.env.BENCH_COUNT);
const IN_FLIGHT = 16;

let began = 0;
let done = 0;
let begun = () => {};
let finish = () => {};
const finished = new Promise<void>((resolve) => {
  finish = resolve;
});

const app = backend();
app.job("bench.trivial", () => {
  began ||= performance.now();
  begun();
  if (++done === count) finish();
});
await app.start();
console.log(JSON.stringify(await { fill, single, drain, pickup }[what]!()));
await app.stop();

/** Many at once. */
async function fill() {
  const ONE_CALL = 1_000;
  for (let n = 0; n < count; n += ONE_CALL) {
    await app.transaction(async (tx) => {
      await Promise.all(Array.from({ length: ONE_CALL }, (_, k) => tx.submit("bench.trivial", { n: n + k })));
    });
  }
  return { filled: count };
}

/** Jobs submitted one a call, some at a time. */
async function single() {
  let left = count;
  const start = performance.now();
  const add = async () => {
    while (left-- > 0) await app.submit("bench.trivial", { n: left });
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, add));
  return { perSecond: (count * 1000) / (performance.now() - start) };
}

/** From the first job's beginning until the database has none left. */
async function drain() {
  await finished;
  const open = () =>
    app.transaction(({ db }) =>
      db.run<{ left: number }>(
        "select count(*)::int as left from backstay.jobs where name = 'bench.trivial' and state < 4",
      ),
    );
  while ((await open())[0]!.left > 0) await pause(2);
  return { perSecond: (done * 1000) / (performance.now() - began), done };
}

/** From the call that submits a job to its beginning, in milliseconds. */
async function pickup() {
  const waits: number[] = [];
  for (let n = 0; n < count; n++) {
    await pause(20 + Math.random() * 30);
    const start = performance.now();
    const picked = new Promise<void>((resolve) => {
      begun = resolve;
    });
    await Promise.all([app.submit("bench.trivial", { n }), picked]);
    waits.push(performance.now() - start);
  }
  waits.sort((a, b) => a - b);
  return { p50: waits[waits.length >> 1]!, p99: waits[Math.floor(waits.length * 0.99)]! };
}
