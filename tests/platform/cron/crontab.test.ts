import { describe, expect, it } from "vitest";
import { declaredJobs } from "../../../server/kernel/declared-jobs.js";
import { readCrontab } from "../../../server/platform/cron/crontab.js";
import { JOB } from "./nodes.js";

const declared = declaredJobs();
for (const name of ["app.clean", "app.report", "api.cleanSessions"]) declared.declare({ ...JOB, name });

const read = (text: string) => readCrontab("etc/crontab", text, declared);
const readEntries = (...entries: unknown[]) => read(JSON.stringify(entries));

const entry = { type: "local", cron: "0 3 * * *", job: "app.clean" };

describe("an entry", () => {
  it("is read as the predecessor's manual has it", () => {
    const text = `[ { "type": "local", "cron": "0 1 1 * * 1,3", "job": { "api.cleanSessions": { "interval": 3600000 } } } ]`;
    expect(read(text)).toEqual([
      {
        id: "crontab.1",
        expression: "0 1 1 * * 1,3",
        timeZone: "UTC",
        job: "api.cleanSessions",
        args: { interval: 3_600_000 },
        queue: undefined,
        missed: "one",
      },
    ]);
  });

  it.each([
    ["local", undefined],
    ["server", undefined],
    ["remote", "remote"],
  ])("of the type %s goes to the queue %s", (type, queue) => {
    expect(readEntries({ ...entry, type })).toEqual([expect.objectContaining({ queue })]);
  });

  it("may have a name, a time zone and a rule for what was missed", () => {
    expect(readEntries({ ...entry, id: "nightly", tz: "Europe/Berlin", missed: "skip" })).toEqual([
      expect.objectContaining({ id: "crontab.nightly", timeZone: "Europe/Berlin", missed: "skip" }),
    ]);
  });

  it("gives what its job is given as arguments, before its own args", () => {
    const [bare] = readEntries({ ...entry, args: { a: 1 } });
    expect(bare?.args).toEqual({ a: 1 });
    const [merged] = readEntries({ ...entry, args: { a: 1, b: 1 }, job: { "app.clean": { b: 2 } } });
    expect(merged?.args).toEqual({ a: 1, b: 2 });
  });

  it("becomes a cron for each of its jobs; with $ a name stands again", () => {
    const job = { "app.clean": { n: 1 }, "app.report": {}, "$app.clean": { n: 2 }, "$$app.clean": { n: 3 } };
    const crons = readEntries(entry, { ...entry, job });
    expect(crons.map(({ id, job, args }) => [id, job, args])).toEqual([
      ["crontab.1", "app.clean", {}],
      ["crontab.2.app.clean", "app.clean", { n: 1 }],
      ["crontab.2.app.report", "app.report", {}],
      ["crontab.2.app.clean-2", "app.clean", { n: 2 }],
      ["crontab.2.app.clean-3", "app.clean", { n: 3 }],
    ]);
    // As the list of crons takes them.
    const list = declaredJobs();
    for (const cron of crons) list.declareCron(cron);
    expect(list.crons()).toEqual(crons);
  });
});

it("may be empty", () => {
  expect(read("[]")).toEqual([]);
});

describe("a mistake is told in one line", () => {
  it.each([
    ['[\n  { "type": "local",\n    "cron": 0 3 * * * }\n]', "etc/crontab:3: not valid JSON"],
    ['[\n  { "type": "local" },\n]\n', "etc/crontab:3: not valid JSON"],
    ['[\n  { "type": "lo\ncal" }\n]\n', "etc/crontab:2: not valid JSON"],
    ['[\n  { "type": "local" }\n', "etc/crontab:3: not valid JSON"],
    ["[]\n[]\n", "etc/crontab:2: not valid JSON"],
    ["", "etc/crontab:1: not valid JSON"],
    ["{}", "etc/crontab: expected a list of entries"],
  ])("of the file %j", (text, message) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ message }));
  });

  it.each([
    ["app.clean", "expected an object"],
    [{ ...entry, crom: "" }, 'there is no "crom"; there are type, cron, job, args, id, tz, missed'],
    [{ ...entry, type: "web" }, "type is local, remote or server"],
    [{ cron: entry.cron, job: entry.job }, "type is local, remote or server"],
    [
      { ...entry, cron: "0 3 * *" },
      '"0 3 * *" is no cron expression: it has five fields, or six that begin with the seconds',
    ],
    [{ ...entry, cron: 5 }, "cron and tz are texts"],
    [{ ...entry, tz: "Nowhere" }, 'there is no time zone "Nowhere"'],
    [{ ...entry, job: "app.none" }, "there is no job app.none"],
    [{ ...entry, job: { "app.clean": {}, "app.none": {} } }, "there is no job app.none"],
    [{ ...entry, job: {} }, "job is a name, or an object of names"],
    [{ ...entry, job: ["app.clean"] }, "job is a name, or an object of names"],
    [{ ...entry, job: { "app.clean": 5 } }, "what app.clean is given is no object"],
    [{ ...entry, args: [1] }, "args is an object"],
    [{ ...entry, id: "a.b" }, "id is up to 40 letters, digits, - and _"],
    [{ ...entry, id: "1" }, "another entry has the id crontab.1 too"],
    [{ ...entry, missed: "none" }, "missed is one, all or skip"],
  ])("of an entry: %j", (wrong, message) => {
    const refused = () => readEntries(entry, wrong);
    expect(refused).toThrow(expect.objectContaining({ message: `etc/crontab: entry 2: ${message}` }));
  });
});
