import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";

vi.setConfig({ testTimeout: 70_000 });

const PROGRAM = fileURLToPath(new URL("../fixtures/watched.mjs", import.meta.url));

function start(how: string, limitMs: number) {
  const process_ = spawn(process.execPath, [PROGRAM, how, String(limitMs)], {
    stdio: ["ignore", "ignore", "pipe"],
    timeout: 60_000,
  });
  const exit = once(process_, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  return { process_, exit };
}

async function run(how: string, limitMs = 1_000) {
  const { process_, exit } = start(how, limitMs);
  const [printed, [code, signal]] = await Promise.all([text(process_.stderr), exit]);
  return { lines: printed.trim().split("\n"), code, signal };
}

describe.concurrent("a process whose jobs run in it", () => {
  it("is killed when one lets nothing else run, and its last line names the one that was active last first", async () => {
    const { lines, signal } = await run("loop");
    expect(signal).toBe("SIGKILL");
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toEqual({
      level: 60,
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      worker: 3,
      job: "app.loop",
      id: "3".repeat(32),
      others: [
        { job: "app.waits", id: "4".repeat(32) },
        { job: "app.first", id: "1".repeat(32) },
      ],
      msg: expect.stringMatching(/^this process did nothing for 1 s but run jobs, the last of them app\.loop: it ends/),
    });
  });

  it.each([
    ["blocks itself while no job runs", "no job", 1_000],
    ["gets to its own work every now and then", "bursts", 1_000],
    ["is no longer watched", "over", 1_000],
    ["has no limit", "off", 0],
  ])("lives when it %s", async (_, how, limitMs) => {
    expect(await run(how, limitMs)).toEqual({ lines: ["alive"], code: 0, signal: null });
  });

  it("lives when all of it was stopped for a while, as a machine that sleeps is", async () => {
    const { process_, exit } = start("stopped", 500);
    await once(process_.stderr, "data");
    process_.kill("SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    process_.kill("SIGCONT");
    process_.kill("SIGUSR2");
    expect([await text(process_.stderr), await exit]).toEqual(["alive\n", [0, null]]);
  });
});
