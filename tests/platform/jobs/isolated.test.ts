import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { DomainError } from "../../../server/kernel/errors.js";
import { type IsolatedOptions, isolatedRunner } from "../../../server/platform/jobs/isolated/pool.js";
import type { JobLine, Outcome, Runner } from "../../../server/platform/jobs/runner.js";
import type { ClaimedJob } from "../../../server/platform/queue/queue.js";

const ENTRY = fileURLToPath(new URL("../fixtures/job-child.mjs", import.meta.url));

const started = new Set<Runner>();
afterEach(async () => {
  await Promise.all([...started].map((runner) => runner.stop()));
  started.clear();
});

const warnings: string[] = [];
const log = {
  debug() {},
  info() {},
  warn: (facts: object, message: string) => void warnings.push(`${message} ${JSON.stringify(facts)}`),
  error() {},
  flush() {},
};

async function startRunner(options: Partial<IsolatedOptions> & Pick<IsolatedOptions, "kind">): Promise<Runner> {
  const answer = () => {
    throw new Error("nobody asks");
  };
  const runner = isolatedRunner({ count: 1, memoryMb: 256, entry: ENTRY, brief: {}, log, answer, ...options });
  started.add(runner);
  await runner.start();
  return runner;
}

let ids = 0;
const job = (name: string, args: ClaimedJob["args"] = {}): ClaimedJob => ({
  id: String(++ids).padStart(32, "0"),
  name,
  queue: "default",
  args,
  maxAttempts: 3,
  orderKey: null,
  timeoutMs: null,
  attempt: 1,
  fence: 1,
  workerId: "0".repeat(32),
});

const quiet = (line: Partial<JobLine> = {}): JobLine => ({
  signal: new AbortController().signal,
  heartbeat: async () => {},
  progress() {},
  log() {},
  ...line,
});

const run = (runner: Runner, name: string, args?: ClaimedJob["args"], line?: Partial<JobLine>): Promise<Outcome> =>
  runner.run(job(name, args), quiet(line));

const failed = (error: string | RegExp) => ({
  kind: "failed",
  error: typeof error === "string" ? error : expect.stringMatching(error),
});

interface Who {
  pid: number;
  thread: number;
  brief: unknown;
}
const whoami = async (runner: Runner) => ((await run(runner, "whoami")) as { result: Who }).result;

describe.each(["process", "thread"] as const)("jobs in a %s of their own", (kind) => {
  it("answers what they return, and failed with what they throw", async () => {
    const runner = await startRunner({ kind });
    expect(await run(runner, "echo", { list: [1, "two", null] })).toEqual({
      kind: "done",
      result: { list: [1, "two", null] },
    });
    expect(await run(runner, "nothing of that name")).toEqual(failed(/is not a function/));
    expect(await run(runner, "circular")).toEqual(failed(/circular structure/));
  });

  it("runs as many at once as there are workers, each told the brief, and the others after them", async () => {
    const runner = await startRunner({ kind, count: 2, brief: { word: "hello" } });
    expect(runner.size).toBe(2);
    const end = new AbortController();
    const sleeping = run(runner, "sleep", {}, { signal: end.signal });
    const [first, second] = [await whoami(runner), await whoami(runner)];
    expect(second).toEqual({ ...first, brief: { word: "hello" } });
    end.abort(new Error("that is enough"));
    expect(await sleeping).toEqual(failed("that is enough"));
    expect(first.pid === process.pid).toBe(kind === "thread");
  });

  it.each([0, 1, 7])("fails a job that exits with %i, and replaces what it ended", async (code) => {
    const runner = await startRunner({ kind });
    const before = await whoami(runner);
    expect(await run(runner, "exit", { code })).toEqual(failed(`the job's ${kind} ended with the code ${code}`));
    const after = await whoami(runner);
    expect([after.pid, after.thread]).not.toEqual([before.pid, before.thread]);
  });

  it("fails a job that leaves a rejection alone, with its words", async () => {
    const runner = await startRunner({ kind });
    expect(await run(runner, "reject")).toEqual(failed(/^the job's .*left alone$/));
    expect(await run(runner, "echo")).toEqual({ kind: "done", result: {} });
  });

  it.each(["loop", "deaf"])("ends a job that does not hear its signal: %s", async (name) => {
    const runner = await startRunner({ kind });
    const before = await whoami(runner);
    const end = new AbortController();
    const running = run(runner, name, {}, { signal: end.signal });
    end.abort(new Error("it took longer than 1 s"));
    expect(await running).toEqual(failed("it took longer than 1 s"));
    const after = await whoami(runner);
    expect([after.pid, after.thread]).not.toEqual([before.pid, before.thread]);
  });

  it("fails a job at once whose signal fires before a worker is free", async () => {
    const runner = await startRunner({ kind });
    const end = new AbortController();
    const waiting = run(runner, "echo", {}, { signal: end.signal });
    end.abort(new Error("the server stops"));
    expect(await waiting).toEqual(failed("the server stops"));
    expect(await run(runner, "echo", {}, { signal: end.signal })).toEqual(failed("the server stops"));
  });

  it("ends a job whose arrays fill the memory", async () => {
    const runner = await startRunner({ kind, memoryMb: 160 });
    expect(await run(runner, "arrays")).toEqual(
      failed(kind === "thread" ? "the job's thread ran out of memory" : /^the job's process .*memory$/),
    );
    expect(await run(runner, "echo")).toEqual({ kind: "done", result: {} });
  });

  it("prints what they print to standard error, which is not what the server says", async () => {
    const server = spawnServer(kind, "print");
    const [said, printed] = await Promise.all([text(server.stdout), text(server.stderr)]);
    expect(said).toMatch(/^\d+\ndone\n$/);
    expect(printed.split("\n").sort()).toEqual(["", "printed to standard error", "printed to standard output"]);
  });

  it("brings the last progress, log lines and heartbeats to the line", async () => {
    const runner = await startRunner({ kind });
    const told: unknown[] = [];
    const outcome = await run(
      runner,
      "progress",
      {},
      {
        heartbeat: async () => void told.push("heartbeat"),
        progress: (value) => void told.push(value),
        log: (message, facts) => void told.push([message, facts]),
      },
    );
    expect(outcome).toEqual({ kind: "done" });
    expect(told[0]).toEqual({ percent: 0 });
    expect(told).toContainEqual(["half way", { of: 2 }]);
    expect(told).toContainEqual("heartbeat");
    expect(told.at(-1)).toEqual({ percent: 100 });
    expect(told.length).toBeLessThan(50);
  });

  it("brings what they ask of the server, and its answers and errors", async () => {
    const answer = async (name: string, values: readonly unknown[]) => {
      if (name === "refuse") throw new DomainError("INVALID_ARGS", "no such thing", { field: "args" });
      if (name === "mistake") throw new TypeError("a target is an object");
      return [name, ...values];
    };
    const runner = await startRunner({ kind, answer });
    const ask = (name: string, ...values: unknown[]) => run(runner, "ask", { name, values });
    expect(await ask("publish", { a: 1 })).toEqual({ kind: "done", result: ["publish", { a: 1 }] });
    expect(await ask("mistake")).toEqual({
      kind: "done",
      result: { name: "TypeError", message: "a target is an object" },
    });
    expect(await ask("refuse")).toEqual({
      kind: "done",
      result: {
        name: "DomainError",
        message: "no such thing",
        reason: "INVALID_ARGS",
        fields: [{ field: "args", description: "no such thing" }],
      },
    });
  });

  it("refuses the jobs that wait when no worker can be started, and takes none until one is", async () => {
    const runner = await startRunner({ kind, count: 2, brief: { failsToStart: true } });
    expect(await run(runner, "echo")).toEqual(
      failed(/^no job (process|thread) can be started: the last one ended .*no mood$/),
    );
    expect(runner.size).toBe(0);
  });
});

// A worker has seconds to begin with a job: both kinds wait for that together.
it("jobs in either go to a fresh worker when what another has left behind keeps the old one busy", async () => {
  const before = warnings.length;
  const kinds = ["process", "thread"] as const;
  await Promise.all(
    kinds.map(async (kind) => {
      const runner = await startRunner({ kind });
      expect(await run(runner, "trap")).toEqual({ kind: "done" });
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(await run(runner, "echo")).toEqual({ kind: "done", result: {} });
    }),
  );
  for (const kind of kinds) {
    const said = expect.stringContaining(`a job ${kind} did not begin with its job and is replaced`);
    expect(warnings.slice(before)).toContainEqual(said);
  }
});

describe("jobs in a process of their own", () => {
  it("ends one whose buffers take more memory than it may, also while it waits", async () => {
    const runner = await startRunner({ kind: "process" });
    expect(await run(runner, "buffers")).toEqual(failed("the job's process used more than 256 MiB of memory"));
    expect(await run(runner, "echo")).toEqual({ kind: "done", result: {} });
  });

  it("replaces a process that a job has left nearly full", async () => {
    const runner = await startRunner({ kind: "process", memoryMb: 320 });
    const before = await whoami(runner);
    expect(await run(runner, "leave")).toEqual({ kind: "done" });
    expect((await whoami(runner)).pid).not.toBe(before.pid);
  });

  it("says so when a process needs more memory than it may use before it has a job", async () => {
    const runner = await startRunner({ kind: "process", memoryMb: 32 });
    expect(await run(runner, "echo")).toEqual(
      failed(/it uses \d+ MiB before its first job, more than jobs.memory_mb$/),
    );
  });

  it("replaces one that is killed while it is idle, without blame for the next job", async () => {
    const runner = await startRunner({ kind: "process" });
    const { pid } = await whoami(runner);
    process.kill(pid, "SIGKILL");
    await gone(pid);
    expect(await run(runner, "echo")).toEqual({ kind: "done", result: {} });
    expect(warnings.at(-1)).toMatch("a job process was ended by SIGKILL");
  });

  it.each(["deaf", "loop"])("ends with the server that started it, whatever its job does: %s", async (name) => {
    const server = spawnServer("process", name);
    const [first] = (await once(server.stdout, "data")) as [Buffer];
    server.kill("SIGKILL");
    await gone(Number(first));
  });
});

describe("a server that stops", () => {
  it("leaves no process behind, also when a job is in it", async () => {
    const runner = await startRunner({ kind: "process", count: 2 });
    const { pid } = await whoami(runner);
    const running = [run(runner, "loop"), run(runner, "deaf"), run(runner, "echo")];
    await runner.stop();
    expect((await Promise.all(running)).map(({ kind }) => kind)).toEqual(["failed", "failed", "failed"]);
    await gone(pid);
  });
});

function spawnServer(kind: string, job: string) {
  const server = fileURLToPath(new URL("../fixtures/job-server.mjs", import.meta.url));
  return spawn(process.execPath, [server, kind, job], { stdio: ["ignore", "pipe", "pipe"], timeout: 15_000 });
}

/** Resolves when a process has ended. */
async function gone(pid: number): Promise<void> {
  const isThere = () => {
    try {
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      return false;
    }
  };
  while (isThere()) await new Promise((resolve) => setTimeout(resolve, 20));
}
