import { cpus } from "node:os";
import type { Load, Slice } from "./load.js";
import { spread } from "./measure.js";
import type { SocialGround } from "./social-ground.js";
import { likes } from "./social-puts.js";

const AT_ONCE = 100;

/** Likes by RPC, a hundred at once, each by another account: of one account, and of a hundred. It wants 101 new peers a round, and as many before. */
export async function measureCalls(
  load: Load,
  ground: SocialGround,
  peers: readonly string[],
  plan: { rounds: number; sliceMs: number },
  tell: (text: string) => void,
) {
  let used = 0;
  const slice = async (of: number): Promise<Slice> => {
    const some = peers.slice(used, used + of);
    used += of;
    const answer = await load.run(
      likes(ground, AT_ONCE, (n) => some[n % of]!),
      plan.sliceMs,
    );
    await ground.betweenRounds();
    return answer;
  };
  tell("calls: warming up");
  await slice(AT_ONCE);
  await slice(1);
  const [one, apart]: [Slice[], Slice[]] = [[], []];
  for (let round = 0; round < plan.rounds; round++) {
    tell(`calls: round ${round + 1} of ${plan.rounds}`);
    if (round % 2 === 1) apart.push(await slice(AT_ONCE));
    one.push(await slice(1));
    if (round % 2 === 0) apart.push(await slice(AT_ONCE));
  }
  return {
    atOnce: AT_ONCE,
    ofOneAccount: side(one),
    ofAHundred: side(apart),
    oneByAHundred: spread(one.map(({ rps }, n) => rps / apart[n]!.rps)),
  };
}

function side(slices: Slice[]) {
  const of = (value: (slice: Slice) => number) => spread(slices.map(value)).median;
  const busy = {
    server: of((slice) => slice.busy),
    database: of((slice) => (slice.databaseCpuUs! * slice.rps) / 1e6),
    callers: of((slice) => slice.callersBusy),
  };
  return {
    perSecond: spread(slices.map(({ rps }) => Math.round(rps))),
    p50: of((slice) => slice.p50),
    p99: of((slice) => slice.p99),
    cpuUs: of((slice) => slice.cpuUs),
    databaseCpuUs: of((slice) => slice.databaseCpuUs!),
    /** Processors kept busy, and what that makes the limit. */
    busy,
    limit: limitOf(busy),
  };
}

/** What was used up: the one thread of the server, all the machine's processors, or neither. */
function limitOf({ server, database, callers }: { server: number; database: number; callers: number }): string {
  const cores = cpus().length;
  if (server >= 0.9) return "the server's process";
  const all = server + database + callers;
  return all >= 0.85 * cores
    ? `the machine's ${cores} processors`
    : "waiting: for locks, the disk, or other programs of the machine";
}
