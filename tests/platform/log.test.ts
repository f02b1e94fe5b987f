import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, it } from "vitest";
import { createLog } from "../../server/platform/log.js";

const folder = mkdtempSync(join(tmpdir(), "backstay-log-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("writes one JSON line for each thing it is told, the urgent ones at once", () => {
  const file = join(folder, "new", "backstay.log");
  const log = createLog({ level: "info", file });
  log.info({ n: 1 }, "calm");
  log.debug({ n: 2 }, "below the level");
  log.warn({ n: 3 }, "urgent");
  const lines = readFileSync(file, "utf8").trim().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { level: 30, time: expect.any(String), n: 1, msg: "calm" },
    { level: 40, time: expect.any(String), n: 3, msg: "urgent" },
  ]);
});

it("does not start on a file that cannot be opened, and says which", () => {
  expect(() => createLog({ level: "info", file: "/proc/nowhere/x.log" })).toThrow(
    /^log\.file: \/proc\/nowhere\/x\.log cannot be written \(E[A-Z]+\)$/,
  );
});

it.skipIf(process.platform !== "linux")("goes on when the disk is full (needs /dev/full, which only Linux has)", () => {
  const log = createLog({ level: "info", file: "/dev/full" });
  for (let n = 0; n < 50_000; n++) log.info({ n }, "a line that nobody will read");
  log.error({}, "nor this one");
  log.flush();
});

it("says in each line which worker wrote it, and lines of several that share a place stay whole", async () => {
  const fixture = fileURLToPath(new URL("fixtures/log-lines.ts", import.meta.url));
  // A pipe whose reader is late takes large writes in parts.
  const both =
    '{ "$0" --import tsx "$1" 1 & "$0" --import tsx "$1" 2 & wait; } 2>&1 | { sleep 0.5; dd bs=1500 count=11 status=none; sleep 0.3; cat; }';
  const { stdout: text } = await promisify(execFile)("sh", ["-c", both, process.execPath, fixture], {
    maxBuffer: 1 << 26,
  });
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { worker: number; n: number });
  for (const worker of [1, 2]) {
    const own = lines.filter((line) => line.worker === worker && line.n !== undefined).map(({ n }) => n);
    // What a pipe did not take for too long is given up; the rest is in order.
    expect(own.length).toBeGreaterThan(20);
    expect(own).toEqual([...own].sort((a, b) => a - b));
  }
  expect(lines.filter(({ worker }) => worker !== 1 && worker !== 2)).toEqual([]);
});
