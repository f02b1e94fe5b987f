import { parseArgs } from "node:util";
import { realtimeFaults } from "./realtime.js";

const USAGE = `npm run faults -- NAME [--seed N]
  realtime   50,000 events to 200 clients over two nodes while NATS stops, is wiped, lines break and a node dies`;

const { values, positionals } = parseArgs({ options: { seed: { type: "string" } }, allowPositionals: true });
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const tell = (text: string) => process.stderr.write(`faults: ${text}\n`);

if (positionals[0] === "realtime") {
  const verdict = await realtimeFaults(
    { seed, events: 50_000, clients: 200, accounts: 50, rate: 500, outageMs: 30_000, cutEveryMs: [500, 3_000] },
    tell,
  );
  process.stdout.write(`${JSON.stringify(verdict, null, 2)}\n`);
  const { lost, duplicated, reordered, wrongInNats, complaints } = verdict;
  process.exitCode = lost + duplicated + reordered + wrongInNats + complaints.length === 0 ? 0 : 1;
} else {
  process.stderr.write(`${USAGE}\n`);
  process.exitCode = 2;
}
