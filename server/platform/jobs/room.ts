import type { DeclaredJobs, JobDeclaration } from "../../kernel/jobs.js";
import type { Runner } from "./runner.js";

/** Jobs that are taken together: they share a runner, and a job that runs only so often at once is alone. */
export interface Group {
  readonly names: readonly string[];
  readonly runner: Runner;
  /** How many more of them could run. */
  room(): number;
}

/** Counts what runs, and is about to. */
export interface Room {
  readonly runners: readonly Runner[];
  runnerOf(declaration: JobDeclaration): Runner;
  /** How many more jobs could run, of whatever name. */
  free(): number;
  /** What could be taken; each time another one is first, so that none is always last. */
  groups(): readonly Group[];
  /** Takes up, or gives back, some of the room of a group. */
  reserve(group: Group, count: number): void;
  enter(name: string): void;
  leave(name: string): void;
}

export function createRoom(declared: DeclaredJobs, runners: { inside: Runner; app: Runner }): Room {
  const all = [...new Set([runners.inside, runners.app])];
  const busy = new Map<Runner, number>(all.map((runner) => [runner, 0]));
  const busyOf = new Map<string, number>();
  let groups: Group[] = [];
  let declarations = -1;

  const runnerOf = ({ inside }: JobDeclaration) => (inside ? runners.inside : runners.app);
  const roomOf = (runner: Runner) => runner.size - busy.get(runner)!;
  const group = (runner: Runner, names: readonly string[], most = Number.POSITIVE_INFINITY): Group => ({
    names,
    runner,
    room: () => Math.min(roomOf(runner), most - (busyOf.get(names[0]!) ?? 0)),
  });

  const build = () => {
    const jobs = declared.all();
    declarations = jobs.length;
    const limited = jobs.filter(({ concurrency }) => concurrency !== undefined);
    const others = all.map((runner) => ({
      runner,
      names: jobs.filter((job) => job.concurrency === undefined && runnerOf(job) === runner).map(({ name }) => name),
    }));
    groups = [
      ...others.filter(({ names }) => names.length > 0).map(({ runner, names }) => group(runner, names)),
      ...limited.map((job) => group(runnerOf(job), [job.name], job.concurrency)),
    ];
  };

  const add = (runner: Runner, name: string, count: number) => {
    busy.set(runner, busy.get(runner)! + count);
    busyOf.set(name, (busyOf.get(name) ?? 0) + count);
  };
  const runnerOfName = (name: string) => runnerOf(declared.find(name)!);

  return {
    runners: all,
    runnerOf,
    free: () => all.reduce((sum, runner) => sum + Math.max(0, roomOf(runner)), 0),
    groups() {
      if (declared.all().length !== declarations) build();
      const first = groups.shift();
      if (first !== undefined) groups.push(first);
      return [...groups];
    },
    reserve: ({ runner, names }, count) => add(runner, names[0]!, count),
    enter: (name) => add(runnerOfName(name), name, 1),
    leave: (name) => add(runnerOfName(name), name, -1),
  };
}
