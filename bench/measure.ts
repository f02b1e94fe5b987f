import type { Case } from "./cases.js";
import type { Load, Slice, Target } from "./load.js";

/** A value of each round: its median and its ends. */
export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** What one side of a case did: medians over the rounds. */
export interface Side {
  cpuUs: number;
  databaseCpuUs?: number;
  /** Processors kept busy: near 1, the server was the limit. */
  busy: number;
  rps: number;
  p50: number;
  p99: number;
}

export interface Result extends Side {
  name: string;
  reference: { name: string } & Side;
  /** Of the processor time and of the rate, ours over the reference's in the same round. */
  ratio: Spread;
  rpsRatio: Spread;
  goal?: { cpu: number; rate?: number; met: boolean };
}

export interface Plan {
  rounds: number;
  warmMs: number;
  sliceMs: number;
}

/** Runs each case against its reference, slice by slice in turn: what else the machine does weighs on both. */
export async function measure(
  load: Load,
  cases: readonly Case[],
  plan: Plan,
  betweenRounds: () => Promise<void>,
  tell: (text: string) => void,
): Promise<Result[]> {
  for (const { name, subject, against } of cases) {
    tell(`warming up: ${name}`);
    await load.run(against, plan.warmMs);
    await load.run(subject, plan.warmMs);
    await betweenRounds();
  }
  const pairs = cases.map(() => [] as { ours: Slice; theirs: Slice }[]);
  for (let round = 0; round < plan.rounds; round++) {
    tell(`round ${round + 1} of ${plan.rounds}`);
    for (const [index, { subject, against }] of cases.entries()) {
      pairs[index]!.push(await pair(load, subject, against, plan.sliceMs, round % 2 === 1));
      await betweenRounds();
    }
  }
  return cases.map((each, index) => summary(each, pairs[index]!));
}

async function pair(load: Load, subject: Target, against: Target, ms: number, oursFirst: boolean) {
  if (!oursFirst) {
    const theirs = await load.run(against, ms);
    return { theirs, ours: await load.run(subject, ms) };
  }
  const ours = await load.run(subject, ms);
  return { ours, theirs: await load.run(against, ms) };
}

function summary({ name, reference, goal }: Case, pairs: { ours: Slice; theirs: Slice }[]): Result {
  const ratio = spread(pairs.map(({ ours, theirs }) => ours.cpuUs / theirs.cpuUs));
  const rpsRatio = spread(pairs.map(({ ours, theirs }) => ours.rps / theirs.rps));
  const met = goal && ratio.median <= goal.cpu && rpsRatio.median >= (goal.rate ?? 0);
  return {
    name,
    ...side(pairs.map(({ ours }) => ours)),
    reference: { name: reference, ...side(pairs.map(({ theirs }) => theirs)) },
    ratio,
    rpsRatio,
    ...(goal && { goal: { ...goal, met: met! } }),
  };
}

function side(slices: Slice[]): Side {
  const of = (value: (slice: Slice) => number) => spread(slices.map(value)).median;
  return {
    cpuUs: of((slice) => slice.cpuUs),
    ...(slices[0]?.databaseCpuUs !== undefined && { databaseCpuUs: of((slice) => slice.databaseCpuUs!) }),
    busy: of((slice) => slice.busy),
    rps: Math.round(of((slice) => slice.rps)),
    p50: of((slice) => slice.p50),
    p99: of((slice) => slice.p99),
  };
}

/** The median of some values, with the least and the greatest. */
export function spread(values: number[]): Spread {
  const sorted = values.map((value) => Math.round(value * 1000) / 1000).sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = (sorted[Math.floor(middle - 0.5)]! + sorted[Math.floor(middle)]!) / 2;
  return { median: Math.round(median * 1000) / 1000, min: sorted[0]!, max: sorted.at(-1)! };
}
