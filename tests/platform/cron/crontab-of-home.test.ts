import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { declaredJobs } from "../../../server/kernel/declared-jobs.js";
import type { JsonObject } from "../../../server/kernel/jobs.js";
import { startBackstay } from "../../support/backstay.js";
import { JOB } from "./nodes.js";

/** Starts a server whose home has a crontab; `app.tick` answers what it was given. */
async function startWith(crontab: string, given: JsonObject[] = []) {
  const home = mkdtempSync(join(tmpdir(), "backstay-home-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  mkdirSync(join(home, "etc"));
  writeFileSync(join(home, "etc", "crontab"), crontab);
  const jobs = declaredJobs();
  jobs.declare({ ...JOB, run: (args) => void given.push(args) });
  const backstay = await startBackstay({ home }, { overrides: { jobs } });
  onTestFinished(() => backstay.stop());
}

it("a server does what etc/crontab of its home says", async () => {
  const given: JsonObject[] = [];
  await startWith('[{ "type": "server", "cron": "* * * * * *", "job": { "app.tick": { "n": 1 } } }]', given);
  await expect.poll(() => given[0], { timeout: 5_000 }).toEqual({ n: 1 });
});

it("a server does not start with a crontab that has a mistake, and says where", async () => {
  await expect(startWith('[{ "type": "server", "cron": "* * * * *", "job": "app.none" }]')).rejects.toThrow(
    /^\S+\/etc\/crontab: entry 1: there is no job app\.none$/,
  );
});
