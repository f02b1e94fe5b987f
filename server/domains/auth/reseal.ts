import type { Ctx, JobCtx, Ports } from "../../context.js";
import type { Caller } from "../../kernel/caller.js";
import { tidying } from "../../kernel/tidying.js";
import { readFingerprint, type SealedColumn, type SealedRow } from "../../platform/db/index.js";
import { adoptIfThrough, SEALED } from "./store-seals.js";

/** Under which keys the data of this installation is. */
export interface KeyStatus {
  current: string;
  previous: string[];
  /** What is not sealed under the current key, by column. */
  left: { column: string; count: number }[];
  /** Whether no previous key opens, or proves, anything that the current one does not. */
  previousMayGo: boolean;
}

const NAME = "backstay.auth.reseal";

/** Nobody asks for a job that is done by the clock. */
const SERVER: Caller = { kind: "operator", roles: [] };

const BEFORE_ALL = "0".repeat(32);

/**
 * Seals under the current key what is sealed under another. It goes on where it was broken off: a row tells which key it is under.
 * While there are previous keys it looks again each minute, for what others have written meanwhile.
 */
export const resealSecrets = tidying<JobCtx>(NAME, "50 * * * * *", async (ctx) => {
  if (ctx.key.previous.length === 0) return;
  const lost: string[] = [];
  for (const column of SEALED) lost.push(...(await resealColumn(ctx, column)));
  await adopt(ctx, lost);
});

/** Has that done once the server is up, and not only when its time comes round, if there is a previous key. */
export async function resealSoon(ports: Ports): Promise<void> {
  if (ports.key.previous.length === 0) return;
  const afterCommit = (effect: () => void) => effect();
  await ports.jobs.submit({ db: ports.database, afterCommit }, [{ name: NAME, uniqueKey: NAME }]);
}

/** Has the database name the current key, if nothing but what is lost is under another. */
async function adopt(ctx: JobCtx, lost: string[]): Promise<void> {
  const { fingerprint, sealPrefix: prefix } = ctx.key;
  const effects: (() => void)[] = [];
  const adopted = await ctx.database.transaction(async (db) => {
    const rows = await adoptIfThrough({ db }, { fingerprint, prefix, lost });
    if (rows.length === 0) return false;
    const source = { db, clock: ctx.clock, caller: SERVER, afterCommit: (effect: () => void) => effects.push(effect) };
    await ctx.audit.record(source, { type: "key.rotated", detail: { key: fingerprint } });
    return true;
  }, ctx.signal);
  for (const effect of effects) effect();
  if (adopted) ctx.log.info({ key: fingerprint }, "all that is sealed is under the current instance key");
}

/** Answers the ids of the rows that no key opens; they stay as they are. */
async function resealColumn(ctx: JobCtx, column: SealedColumn): Promise<string[]> {
  const lost: string[] = [];
  for (let after: string | undefined = BEFORE_ALL; after !== undefined; ) {
    ctx.signal.throwIfAborted();
    await ctx.heartbeat();
    after = await resealBatch(ctx, column, after, lost);
  }
  if (lost.length > 0) {
    const facts = { column: column.name, count: lost.length, rows: lost.slice(0, MOST_NAMED) };
    ctx.log.error(facts, "no instance key opens what is sealed in these rows");
  }
  return lost;
}

/** As many rows as a line of the log names. */
const MOST_NAMED = 100;

/** Seals one batch anew, in a transaction of its own; answers its last id, or undefined when there was none. */
async function resealBatch(
  ctx: JobCtx,
  column: SealedColumn,
  after: string,
  lost: string[],
): Promise<string | undefined> {
  const { sealPrefix: prefix } = ctx.key;
  return ctx.database.transaction(async (db) => {
    const held = await column.hold({ db }, { prefix, after });
    const rows = [];
    for (const row of held) {
      const plain = open(ctx, column, row);
      if (plain === undefined) lost.push(row.id);
      else {
        const sealed = ctx.key.seal(column.use, plain, row.boundTo);
        rows.push({ id: row.id, before: row.sealed.toString("hex"), after: sealed.toString("hex") });
      }
    }
    if (rows.length > 0) await column.replace({ db }, { rows });
    return held.at(-1)?.id;
  }, ctx.signal);
}

/** Tells how far the change of the instance key is. */
export async function keyStatus(ctx: Pick<Ctx, "audit" | "key" | "db">): Promise<KeyStatus> {
  const { fingerprint, previous, sealPrefix: prefix } = ctx.key;
  const left = [];
  for (const column of SEALED) {
    const [counted] = await column.count(ctx, { prefix });
    left.push({ column: column.name, count: Number(counted?.count ?? 0) });
  }
  const [known] = await readFingerprint(ctx, {});
  const isAdopted = known?.keyFingerprint === fingerprint;
  return {
    current: fingerprint,
    previous: [...previous],
    left,
    previousMayGo: isAdopted && (await ctx.audit.isUnderCurrentKey(ctx)) && !(await someOpen(ctx, prefix)),
  };
}

/** Whether something that is under another key is not lost. */
async function someOpen(ctx: Pick<Ctx, "key" | "db">, prefix: Buffer): Promise<boolean> {
  for (const column of SEALED) {
    for (let after: string | undefined = BEFORE_ALL; after !== undefined; ) {
      const rows: SealedRow[] = await column.read(ctx, { prefix, after });
      if (rows.some((row) => open(ctx, column, row) !== undefined)) return true;
      after = rows.at(-1)?.id;
    }
  }
  return false;
}

function open({ key }: Pick<Ctx, "key">, { use }: SealedColumn, { sealed, boundTo }: SealedRow): string | undefined {
  return key.open(use, sealed, boundTo);
}
