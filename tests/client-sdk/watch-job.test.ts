import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createClient, type Job, JobState } from "@backstay/client";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { handWorker, jobHouse, someJobs, submit, submitDead } from "../domains/jobs/house.js";
import { operatorToken, within } from "../domains/support.js";
import { startBackstay } from "../support/backstay.js";
import { impatientClient, rejection } from "./support/client.js";
import { startBalancer } from "./support/proxies.js";

const { QUEUED, RUNNING, SUCCEEDED, DEAD } = JobState;

const house = jobHouse();

/** Watches a job by a client of its own: `next` is what comes next, undefined at the end. */
function watch(id: string, url = house.backstay.url, token = operatorToken(house.backstay)) {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const jobs = impatientClient(url, { token }).jobs.watchJob(id, { signal: stop.signal });
  const items = jobs[Symbol.asyncIterator]();
  return {
    async next(): Promise<Job | undefined> {
      const { value, done } = await within(10_000, items.next(), "the job is heard of");
      return done ? undefined : value;
    },
    stop: () => stop.abort(),
  };
}

/** A client of an administrator who has signed in there. */
async function signedIn(url: string) {
  const [login, secret] = [`admin at ${url}`, "correct horse"];
  const admin = createClient(house.backstay.url, { token: operatorToken(house.backstay) });
  await admin.accounts.createAccount({ login, secret, name: "A", roles: ["admin"] });
  const client = impatientClient(url);
  await client.auth.signIn({ login, secret });
  return client;
}

describe("a job that is watched", () => {
  it("is handed out as it is, whenever it has changed, and last when it is finished", async () => {
    const job = await submit(house);
    const watched = watch(job.id);
    expect(await watched.next()).toEqual(job);
    const worker = await handWorker(house);
    const [taken] = await worker.take();
    expect(await watched.next()).toMatchObject({ state: RUNNING });
    await worker.succeed(taken!, "done");
    expect(await watched.next()).toMatchObject({ state: SUCCEEDED });
    expect(await watched.next()).toBeUndefined();
  });

  it("is handed out once when it is finished already, also by a request", async () => {
    const dead = await submitDead(house);
    const client = createClient(house.backstay.url, { token: operatorToken(house.backstay) });
    const states: JobState[] = [];
    for await (const { state } of client.jobs.watchJob({ id: dead.id })) states.push(state);
    expect(states).toEqual([DEAD]);
  });

  it("goes on when the connection drops, without a word of what was said", async () => {
    const balancer = await startBalancer(house.backstay.url);
    const job = await submit(house);
    const watched = watch(job.id, balancer.url);
    expect(await watched.next()).toEqual(job);
    const next = watched.next();
    balancer.cut();
    await new Promise((resolve) => setTimeout(resolve, 700));
    balancer.cut();
    const worker = await handWorker(house);
    const [taken] = await worker.take();
    expect(await next).toMatchObject({ state: RUNNING });
    balancer.cut();
    await worker.succeed(taken!, "done");
    expect(await watched.next()).toMatchObject({ state: SUCCEEDED });
    expect(await watched.next()).toBeUndefined();
  });

  it("is asked for anew when nothing was said for 40 s, as by a connection that is gone", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    let asked = 0;
    const fetch = () => {
      asked++;
      return new Promise<never>(() => {});
    };
    const stop = new AbortController();
    const watching = impatientClient("http://127.0.0.1:1", { token: "any", fetch }).jobs.watchJob("any", stop);
    const next = watching[Symbol.asyncIterator]().next();
    await vi.advanceTimersByTimeAsync(39_000);
    expect(asked).toBe(1);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(asked).toBe(2);
    stop.abort();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  it("goes on at another server when its own stops", async () => {
    const { databaseUrl, home } = house.backstay;
    const secret = readFileSync(join(home, "etc", "secret"), "utf8").trim();
    const settings = { roles: "api,relay", "database.url": databaseUrl, secret };
    const other = await startBackstay(settings, { overrides: { jobs: someJobs() } });
    const balancer = await startBalancer(other.url);
    const job = await submit(house);
    const items = (await signedIn(balancer.url)).jobs.watchJob(job.id)[Symbol.asyncIterator]();
    expect((await items.next()).value).toEqual(job);
    const next = items.next();
    balancer.turnTo(house.backstay.url);
    await other.stop();
    await house.jobs.cancelJob({ id: job.id });
    expect((await within(10_000, next, "the job is heard of")).value).toMatchObject({ state: JobState.CANCELLED });
  });

  it("ends quietly with the signal", async () => {
    const { id } = await submit(house);
    const watched = watch(id);
    expect(await watched.next()).toMatchObject({ state: QUEUED });
    const next = watched.next();
    watched.stop();
    expect(await next).toBeUndefined();
  });

  it("throws when there is no point in going on", async () => {
    expect(await rejection(watch("nobody").next())).toMatchObject({ name: "BackstayError", reason: "JOB_NOT_FOUND" });
    const { id } = await submit(house);
    const { token } = await house.backstay.signUp();
    expect(await rejection(watch(id, undefined, token).next())).toMatchObject({ reason: "ADMIN_REQUIRED" });
    expect(await rejection(watch(id, undefined, "nonsense").next())).toMatchObject({ code: "unauthenticated" });
  });

  it("goes on with a new token when its own has ended", async () => {
    const client = await signedIn(house.backstay.url);
    const job = await submit(house);
    const items = client.jobs.watchJob(job.id)[Symbol.asyncIterator]();
    expect((await items.next()).value).toEqual(job);
    const next = items.next();
    await client.auth.refresh();
    await house.jobs.cancelJob({ id: job.id });
    expect((await within(10_000, next, "the job is heard of")).value).toMatchObject({ state: JobState.CANCELLED });
  });
});
