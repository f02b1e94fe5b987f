import { JobState } from "@backstay/client";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Job, JobService } from "#gen/backstay/jobs/v1/jobs_pb.js";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { bearer, openDatabase, operator, operatorToken, testClock, within } from "../support.js";
import { handWorker, jobHouse, someJobs, submit, submitDead } from "./house.js";

/** What the contract promises between a change and what is said of it. */
const SOON = 1_000;

const house = jobHouse();

/** Watches a job: each `next` answers what is said next of it, undefined at the end. */
function watch(id: string, token = operatorToken(house.backstay), url = house.backstay.url) {
  const transport = createConnectTransport({ baseUrl: url, httpVersion: "1.1" });
  const call = new AbortController();
  onTestFinished(() => call.abort());
  const stream = createClient(JobService, transport).watchJob({ id }, { headers: bearer(token), signal: call.signal });
  const items = stream[Symbol.asyncIterator]();
  return {
    async next(ms = SOON): Promise<Job | undefined> {
      const { value, done } = await within(ms, items.next(), "the stream says something");
      return done ? undefined : value.job;
    },
    close: () => call.abort(),
  };
}

/** An administrator who has signed in. */
async function signInAdmin(backstay: TestBackstay) {
  const [login, secret] = ["watching admin", "correct horse"];
  await operator(backstay).accounts.createAccount({ login, secret, name: "A", roles: ["admin"] });
  const client = backstay.anonymous();
  const { tokens } = await client.auth.signIn({ login, secret });
  return { client, token: tokens!.accessToken };
}

describe("a job that is watched", () => {
  it("is sent as it is, again within a second of each change, and last when it is finished", async () => {
    const job = await submit(house);
    const stream = watch(job.id);
    expect(await stream.next()).toEqual(job);

    const worker = await handWorker(house);
    const [first] = await worker.take();
    expect(await stream.next()).toMatchObject({ state: JobState.RUNNING, attempts: 1 });
    await worker.progress(first!, 0.5);
    expect((await stream.next())?.progress?.kind).toEqual({ case: "numberValue", value: 0.5 });
    await worker.fail(first!, "not yet", 0);
    expect(await stream.next()).toMatchObject({ state: JobState.RETRYING, lastError: "not yet" });
    const [second] = await worker.take();
    expect(await stream.next()).toMatchObject({ state: JobState.RUNNING, attempts: 2 });
    await worker.succeed(second!, "done");
    expect(await stream.next()).toEqual((await house.jobs.getJob({ id: job.id })).job);
    expect(await stream.next()).toBeUndefined();
  });

  it("is not sent again while nothing of it changes", async () => {
    const { id } = await submit(house);
    const stream = watch(id);
    await stream.next();
    const next = stream.next(10_000);
    // It becomes due anew, which nobody sees.
    await openDatabase(house.backstay)`update backstay.jobs set due = false where id = ${id}`;
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await house.jobs.cancelJob({ id });
    expect(await next).toMatchObject({ state: JobState.CANCELLED });
  });

  it("and is finished already is sent once", async () => {
    const dead = await submitDead(house);
    const stream = watch(dead.id);
    expect(await stream.next()).toEqual(dead);
    expect(await stream.next()).toBeUndefined();
  });

  it("and is deleted meanwhile ends the stream", async () => {
    const { id } = await submit(house);
    const stream = watch(id);
    await stream.next();
    await openDatabase(house.backstay)`delete from backstay.jobs`;
    await expect(stream.next()).rejects.toMatchObject({ rawMessage: "There is no such job, or it is no longer kept." });
  });
});

describe("the stream", () => {
  it.each(["0190163d8694739b8b1fcb8dd4e60777", "nobody"])("is refused for what is no job: %s", async (id) => {
    await expect(watch(id).next()).rejects.toMatchObject({ rawMessage: expect.stringContaining("no such job") });
  });

  it("is refused to who is no administrator", async () => {
    const { id } = await submit(house);
    const ada = await house.backstay.signUp();
    await expect(watch(id, ada.token).next()).rejects.toMatchObject({
      rawMessage: expect.stringContaining("administrator"),
    });
  });

  it("ends when the administrator who reads it signs out", async () => {
    const { id } = await submit(house);
    const { client, token } = await signInAdmin(house.backstay);
    const stream = watch(id, token);
    await stream.next();
    await client.auth.signOut();
    await expect(stream.next()).rejects.toMatchObject({ rawMessage: expect.stringContaining("sign-in") });
  });

  it("ends with the token it was opened with", async () => {
    const clock = testClock();
    const backstay = await startBackstay({ roles: "api,relay" }, { overrides: { jobs: someJobs(), clock } });
    onTestFinished(() => backstay.stop());
    const { job } = await operator(backstay).jobs.submitJob({ name: "app.touch" });
    const stream = watch(job!.id, (await signInAdmin(backstay)).token, backstay.url);
    await stream.next();
    clock.advance(86_400_000);
    await expect(stream.next()).rejects.toMatchObject({ rawMessage: expect.stringContaining("expired") });
  });

  it("ends quietly when the server stops, with the job as it was", async () => {
    const backstay = await startBackstay({ roles: "api,relay" }, { overrides: { jobs: someJobs() } });
    const { job } = await operator(backstay).jobs.submitJob({ name: "app.touch" });
    const stream = watch(job!.id, operatorToken(backstay), backstay.url);
    expect(await stream.next()).toMatchObject({ state: JobState.QUEUED });
    const end = stream.next(5_000);
    await within(5_000, backstay.stop(), "the server stops");
    expect(await end).toBeUndefined();
  });
});
