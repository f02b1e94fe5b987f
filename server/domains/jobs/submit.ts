import type { Ctx, Idempotency } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { OWN_JOBS } from "../../kernel/job-options.js";
import type { NewJob } from "../../kernel/jobs.js";
import { findKeys } from "../../platform/db/index.js";
import type { Job } from "./service.js";
import * as store from "./store.js";
import { claimKeys } from "./store-keys.js";

/** A job that was to be submitted. */
export interface Submitted {
  job: Job;
  /** Whether it was made; else it is the one that has its unique key. */
  created: boolean;
}

/** So often a call is made anew that met another at the same keys. */
const RETRY = 3;

export async function submitJob(ctx: Ctx, job: NewJob): Promise<Submitted> {
  checkName(ctx, job, "name");
  checkTimeout(job, "timeout");
  const [submitted] = await submitOnce(ctx, (inner) => inner.jobs.submit(inner, [job]));
  return submitted!;
}

/** Submits jobs: all, or none. */
export async function submitJobs(ctx: Ctx, jobs: readonly NewJob[]): Promise<Submitted[]> {
  for (const [n, job] of jobs.entries()) {
    checkName(ctx, job, `jobs[${n}].name`);
    checkTimeout(job, `jobs[${n}].timeout`);
  }
  const submit = (inner: Ctx) => inner.jobs.submit(inner, jobs).catch((error) => rethrowAsBatch(error, jobs.length));
  return submitOnce(ctx, (inner) => inner.transaction(submit, { retry: RETRY }), jobs.length);
}

/**
 * Submits in a way that may be repeated, if the call has an idempotency key. The jobs and what the key stands for are committed
 * together; a call that finds the key used undoes what it did, and answers as the first did.
 */
export async function submitOnce(
  ctx: Ctx,
  submit: (ctx: Ctx) => Promise<Submitted[]>,
  count = 1,
): Promise<Submitted[]> {
  const { idempotency } = ctx;
  if (idempotency === undefined) return submit(ctx);
  const submitAndClaim = async (inner: Ctx) => {
    const submitted = await submit(inner);
    await claim(inner, idempotency, submitted);
    return submitted;
  };
  try {
    return await ctx.transaction(submitAndClaim, { retry: RETRY });
  } catch (error) {
    // Any refusal may come of what the first call did: of a unique key that it took, for one.
    if (!(error instanceof DomainError || error instanceof KeyUsed)) throw error;
    const answered = await findAnswer(ctx, idempotency, count);
    if (answered === undefined) throw error;
    return answered;
  }
}

/** Undoes the transaction of a call whose key was used before. */
class KeyUsed extends Error {}

/**
 * Each job has a row: the first by the key itself, the others by their number besides. With the hash of the request it keeps
 * whether the job was made, which a repeat is to say again.
 */
const scopeOf = ({ scope }: Idempotency, n: number) => (n === 0 ? scope : `${scope} ${n}`);

async function claim(ctx: Ctx, used: Idempotency, submitted: readonly Submitted[]): Promise<void> {
  const rows = submitted.map(({ job, created }, n) => ({
    scope: scopeOf(used, n),
    key: used.key,
    hash: Buffer.concat([used.hash, Buffer.of(created ? 1 : 0)]).toString("hex"),
    job: job.id,
  }));
  const claimed = await claimKeys(ctx, { rows, at: ctx.clock.now() });
  if (claimed.length < rows.length) throw new KeyUsed();
}

/** What the first call with a key answered, with the jobs as they are now; undefined when there was none. */
async function findAnswer(ctx: Ctx, used: Idempotency, count: number): Promise<Submitted[] | undefined> {
  const scopes = Array.from({ length: count }, (_, n) => scopeOf(used, n));
  const rows = new Map((await findKeys(ctx, { scopes, key: used.key })).map((row) => [row.scope, row]));
  if (rows.size === 0) return undefined;
  const answers = scopes.map((scope) => {
    const row = rows.get(scope);
    if (row === undefined || !used.isOfRequest(row.requestHash.subarray(0, -1))) {
      throw new DomainError("IDEMPOTENCY_MISMATCH");
    }
    return { id: row.resourceId, created: row.requestHash.at(-1) === 1 };
  });
  const found = await store.findJobs(ctx, { ids: answers.map(({ id }) => id) });
  const jobs = new Map(found.map((job) => [job.id, job]));
  return answers.map(({ id, created }) => {
    const job = jobs.get(id);
    if (job === undefined) throw new DomainError("JOB_NOT_FOUND");
    return { job, created };
  });
}

/**
 * The server's own jobs believe their arguments, since it makes them itself: it and its command line alone submit them. An
 * API key, of the installation too, may not.
 */
function checkName({ caller }: Ctx, { name }: NewJob, field: string): void {
  if (!name.startsWith(OWN_JOBS)) return;
  if (caller.kind === "operator" && caller.apiKeyId === undefined) return;
  throw new DomainError("FIELD_FORBIDDEN", "Jobs of the server's own are submitted by itself and its command line.", {
    field,
  });
}

function checkTimeout({ timeoutMs }: NewJob, field: string): void {
  if (timeoutMs !== undefined && timeoutMs < 1) {
    throw new DomainError("INVALID_FIELD", "It is at least 1 ms.", { field });
  }
}

/** What is wrong with the only job of a batch is said of the first of it. */
function rethrowAsBatch(error: unknown, count: number): never {
  if (count > 1 || !(error instanceof DomainError)) throw error;
  const fields = error.fields.map(({ field, description }) => ({ field: `jobs[0].${field}`, description }));
  throw new DomainError(error.reason, error.message, { fields, cause: error });
}
