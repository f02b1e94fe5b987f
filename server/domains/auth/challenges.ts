import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import { writeOf } from "./account-gone.js";
import type { ChallengeKind } from "./store-challenges.js";
import * as store from "./store-challenges.js";

/** So many an account may have begun at once. Of strangers' there are as many as their rate class allows. */
const MOST_OPEN = 20;

/** What is begun with a browser, and finished by whoever began it. */
export interface Begun<Data> {
  /** Names it; drawn by `ctx.ids`. */
  id: string;
  kind: ChallengeKind;
  /** The account that alone may finish it; absent when none is signed in yet. */
  accountId?: string | undefined;
  /** SHA-256 of a token that whoever finishes it must show; absent when none is needed. */
  tokenHash?: Buffer | undefined;
  /** Milliseconds after which nothing comes of it any more. */
  ttl: number;
  /** What has to be known then. It is kept sealed, as JSON. */
  data: Data;
}

/** Keeps what is begun; answers when it ends. Throws INVALID_TOKEN, INVALID_SIGNATURE when the caller's account went meanwhile. */
export async function keepChallenge<Data>(ctx: Ctx, begun: Begun<Data>): Promise<Date> {
  const { id, kind, accountId, tokenHash, ttl, data } = begun;
  const at = ctx.clock.now();
  const expiresAt = new Date(at.getTime() + ttl);
  const dataSealed = ctx.key.seal("challenge", JSON.stringify(data), id);
  const most = MOST_OPEN;
  const challenge = { id, kind, accountId, tokenHash, dataSealed, at, expiresAt, most };
  await writeOf(ctx, accountId, () => store.insertChallenge(ctx, challenge));
  return expiresAt;
}

/** Takes what was begun, once. Throws CHALLENGE_GONE when it is unknown, used, past its time or somebody else's. */
export async function takeChallenge<Data>(
  ctx: Ctx,
  { id, ...asked }: Omit<Begun<Data>, "ttl" | "data">,
): Promise<Data> {
  const known = parseId(id);
  if (known === undefined) throw new DomainError("CHALLENGE_GONE");
  const { kind, accountId, tokenHash } = asked;
  const [taken] = await store.takeChallenge(ctx, { id: known, kind, accountId, tokenHash, at: ctx.clock.now() });
  return opened<Data>(ctx, known, taken);
}

/** What was begun, while it can still be taken: for whoever may see it, but not finish it. Throws CHALLENGE_GONE. */
export async function readChallenge<Data>(
  ctx: Pick<Ctx, "db" | "key" | "clock">,
  { id, kind }: Pick<Begun<Data>, "id" | "kind">,
): Promise<Data> {
  const known = parseId(id);
  if (known === undefined) throw new DomainError("CHALLENGE_GONE");
  const [found] = await store.findChallenge(ctx, { id: known, kind, at: ctx.clock.now() });
  return opened<Data>(ctx, known, found);
}

function opened<Data>({ key }: Pick<Ctx, "key">, id: string, row: { dataSealed: Buffer } | undefined): Data {
  const data = row && key.open("challenge", row.dataSealed, id);
  if (data === undefined) throw new DomainError("CHALLENGE_GONE");
  return JSON.parse(data) as Data;
}
