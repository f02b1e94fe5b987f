import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
