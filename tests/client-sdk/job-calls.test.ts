import { JobState } from "@backstay/client";
import { expect, test } from "vitest";
import { CacheService } from "#gen/backstay/cache/v1/cache_pb.js";
import { JobService } from "#gen/backstay/jobs/v1/jobs_pb.js";
import { impatientClient, rejection } from "./support/client.js";
import { unavailable } from "./support/refusals.js";
import { startScriptedServer } from "./support/scripted-server.js";

const { submitJob, submitJobs, runCron, retryJob, listJobs } = JobService.method;

test("what submits jobs is repeated under one key until the server has it", async () => {
  const server = await startScriptedServer();
  const { jobs } = impatientClient(server.url);
  const calls = [
    [submitJob, () => jobs.submitJob({ name: "app.touch", args: { n: 1 } })],
    [submitJobs, () => jobs.submitJobs({ jobs: [{ name: "app.touch" }] })],
    [runCron, () => jobs.runCron({ id: "app.nightly" })],
  ] as const;
  for (const [method, call] of calls) {
    let refusals = 0;
    server.on(method as typeof submitJob, () => {
      if (refusals++ < 2) throw unavailable();
      return {};
    });
    await call();
    const keys = server.callsOf(method).map(({ headers }) => headers.get("idempotency-key"));
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]).toMatch(/^\S{16,}$/);
  }
});

test("other changes are made once", async () => {
  const server = await startScriptedServer();
  server.on(retryJob, () => {
    throw unavailable();
  });
  await rejection(impatientClient(server.url).jobs.retryJob({ id: "1" }));
  expect(server.callsOf(retryJob)).toHaveLength(1);
});

test("jobs and caches are asked as their services are", async () => {
  const server = await startScriptedServer();
  server.on(listJobs, ({ states }) => ({ jobs: states.map((state) => ({ id: "1", state, args: { deep: [1] } })) }));
  server.on(CacheService.method.getStats, () => ({ caches: [{ name: "names" }] }));
  const client = impatientClient(server.url);
  const { jobs } = await client.jobs.listJobs({ states: [JobState.DEAD] });
  expect(jobs).toMatchObject([{ id: "1", state: JobState.DEAD, args: { deep: [1] } }]);
  expect(await client.cache.getStats()).toMatchObject({ caches: [{ name: "names" }] });
});
