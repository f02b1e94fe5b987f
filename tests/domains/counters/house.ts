import { type Counters, declaredCounters } from "../../../server/kernel/counters.js";
import type { Person, TestBackstay } from "../../support/backstay.js";
import { openDatabase, operator } from "../support.js";

/** The counters of an app: one that everybody may raise, one that is its owner's, and a derived one that everybody may see. */
export function appCounters(): Counters {
  const counters = declaredCounters();
  counters.declare("score", { public: true });
  counters.declare("coins");
  counters.declare("follow1", { public: true });
  return counters;
}

/** What is shown of an account that has done nothing, to itself. */
export const NOTHING: Readonly<Record<string, bigint>> = Object.freeze({
  coins: 0n,
  dislike0: 0n,
  dislike1: 0n,
  follow0: 0n,
  follow1: 0n,
  invite0: 0n,
  invite1: 0n,
  like0: 0n,
  like1: 0n,
  msg_count: 0n,
  msg_read: 0n,
  ping: 0n,
  score: 0n,
  view0: 0n,
  view1: 0n,
});

/** The same to others. */
export const PUBLIC_NOTHING: Readonly<Record<string, bigint>> = Object.freeze({ follow1: 0n, ping: 0n, score: 0n });

/** An administrator. */
export async function signUpAdmin(backstay: TestBackstay): Promise<Person> {
  const { login } = await backstay.signUp();
  const client = backstay.anonymous();
  const secret = `secret of ${login}`;
  const { account } = await client.auth.signIn({ login, secret });
  await operator(backstay).auth.grantRole({ id: account!.id, role: "admin" });
  const { tokens } = await client.auth.signIn({ login, secret });
  return { id: account!.id, login, secret, token: tokens!.accessToken, client };
}

/** Writes a counter's row behind the server's back. */
export async function writeRow(
  backstay: TestBackstay,
  { id }: Person,
  row: { name: string; value: bigint; slot?: number },
): Promise<void> {
  const { name, value, slot = 0 } = row;
  await openDatabase(backstay)`insert into backstay.counters (account_id, name, slot, value)
    values (${id}, ${name}, ${slot}, ${String(value)})
    on conflict (account_id, name, slot) do update set value = excluded.value`;
}

/** The rows that are kept of an account's counters, and what is withheld from it. */
export async function rowsOf(backstay: TestBackstay, { id }: Person) {
  const sql = openDatabase(backstay);
  const rows = await sql`select name, slot, value from backstay.counters where account_id = ${id} order by name, slot`;
  const withheld =
    await sql`select replace(viewer_id::text, '-', '') as viewer, name, value from backstay.withheld_counts
    where account_id = ${id} order by viewer, name`;
  return {
    counters: Object.fromEntries(rows.map(({ name, slot, value }) => [slot === 0 ? name : `${name} ${slot}`, value])),
    withheld: withheld.map(({ viewer, name, value }) => ({ viewer, name, value })),
  };
}
