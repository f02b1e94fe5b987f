import type { DeclaredJobs, JobDeclaration } from "../../kernel/jobs.js";
import type { Wanted } from "../queue/store.js";
import type { Runner } from "./runner.js";

/** Counts what runs, and is about to. */
export interface Room {
  runnerOf(declaration: JobDeclaration): Runner;
  /** How many more jobs could run, of whatever names. */
  free(): number;
  /** The names that more could run of, and how many. */
  wanted(): Wanted[];
  /** Takes up the room of `most` jobs of these, whichever they will be; what it returns gives it back. */
  reserve(wanted: readonly Wanted[], most: number): () => void;
  enter(name: string): void;
  leave(name: string): void;
}

/** Jobs of one runner share its size; of those that run only so often at once, each name has room of its own in that. */
export function createRoom(declared: DeclaredJobs, runners: { inside: Runner; app: Runner }): Room {
  const all = [...new Set([runners.inside, runners.app])];
  const busy = new Map<Runner, number>(all.map((runner) => [runner, 0]));
  const busyOf = new Map<string, number>();

  const runnerOf = ({ inside }: JobDeclaration) => (inside ? runners.inside : runners.app);
  const roomOf = (runner: Runner) => Math.max(0, runner.size - busy.get(runner)!);
  const add = (runner: Runner, count: number) => busy.set(runner, busy.get(runner)! + count);
  const addOf = (name: string, count: number) => busyOf.set(name, (busyOf.get(name) ?? 0) + count);
  const wantedOf = (job: JobDeclaration): Wanted => {
    const runner = runnerOf(job);
    const room = roomOf(runner);
    const most = (job.concurrency ?? Number.POSITIVE_INFINITY) - (busyOf.get(job.name) ?? 0);
    return { name: job.name, room: Math.min(room, most), runner: all.indexOf(runner), runner_room: room };
  };
  const count = (name: string, change: 1 | -1) => {
    add(runnerOf(declared.find(name)!), change);
    addOf(name, change);
  };

  return {
    runnerOf,
    free: () => all.reduce((sum, runner) => sum + roomOf(runner), 0),
    wanted: () =>
      declared
        .all()
        .map(wantedOf)
        .filter(({ room }) => room > 0),
    reserve(wanted, most) {
      const rooms = new Map(wanted.map((one) => [all[one.runner]!, Math.min(one.runner_room, most)]));
      const take = (sign: 1 | -1) => {
        for (const [runner, room] of rooms) add(runner, sign * room);
        for (const { name, room } of wanted) addOf(name, sign * Math.min(room, most));
      };
      take(1);
      return () => take(-1);
    },
    enter: (name) => count(name, 1),
    leave: (name) => count(name, -1),
  };
}
