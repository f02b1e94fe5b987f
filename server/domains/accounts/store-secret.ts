import { type SQL, sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { accounts, identities } from "./schema.js";
import { accountNamed } from "./store.js";

const hashOf = (secretPhc: SQL) => sql`sha256(convert_to(${secretPhc}, 'UTF8'))`;

/** What `detail` says of the secret that is kept, and of no other: whoever changes the secret need not know of it. */
const said = (what: "name" | "voided") =>
  sql`case when detail->>'of' = encode(${hashOf(sql`secret_phc`)}, 'hex') then decode(detail->>${sql.raw(`'${what}'`)}, 'hex') end`;

/**
 * Names the secret that is kept: the hash of its first hash, whose salt makes it another at each change, even to the same secret. It
 * keeps its name when it is hashed anew.
 */
const secretName = sql`coalesce(${said("name")}, ${hashOf(sql`secret_phc`)})`;

/** Names what is signed with it: another name each time that all of it is voided. */
const secretMark = sql`sha256(${secretName} || coalesce(${said("voided")}, ''))`;

const saying = (secretPhc: SQL, voided: SQL) =>
  sql`jsonb_build_object('of', encode(${hashOf(secretPhc)}, 'hex'), 'name', encode(${secretName}, 'hex'),
    'voided', encode(${voided}, 'hex'))`;

/** What a sign-in is checked against: the secret of whom the subject names. */
export const findLogin = statement<
  { subject: string },
  { accountId: string; secretPhc: string | null; secretName: Buffer | null }
>(
  (p) => sql`select account_id, secret_phc, ${secretName} as secret_name from ${identities}
    where account_id = (${accountNamed(p.subject)}) and kind = 'login'`,
);

/** What a signature is checked against: a login whose secret is kept, of an account that may be used. */
export const findSigner = statement<
  { subject: string },
  { accountId: string; secretMark: Buffer; secretSealed: Buffer; roles: string[] }
>(
  (p) => sql`select i.account_id, ${secretMark} as secret_mark, i.secret_sealed, a.roles
    from ${identities} i join ${accounts} a on a.id = i.account_id
    where i.kind = 'login' and i.subject = ${p.subject}::text and i.secret_phc is not null and i.secret_sealed is not null
      and a.status = 'active'`,
);

/** The secret of an account, as it is kept, and the login that it goes with. */
export const findSecret = statement<
  { accountId: string },
  { id: string; login: string; secretPhc: string; secretName: Buffer; secretMark: Buffer; secretSealed: Buffer | null }
>(
  (
    p,
  ) => sql`select id, label as login, secret_phc, ${secretName} as secret_name, ${secretMark} as secret_mark, secret_sealed
    from ${identities}
    where account_id = ${p.accountId}::uuid and kind = 'login' and secret_phc is not null`,
);

/** Puts another secret in the place of a known one; returns no row when it is not there any more. */
export const replaceSecret = statement<
  { id: string; before: Buffer; secretPhc: string; secretSealed: Buffer | undefined },
  { id: string }
>(
  (p) => sql`update ${identities}
    set secret_phc = ${p.secretPhc}::text, secret_sealed = ${p.secretSealed}::bytea, detail = null
    where id = ${p.id}::uuid and ${secretName} = ${p.before}::bytea
    returning id`,
);

/** Keeps the same secret by another hash, under the name it had; nothing where it is not kept by the hash before any more. */
export const rehashSecret = statement<{ accountId: string; before: string; secretPhc: string }, never>(
  (p) => sql`update ${identities}
    set secret_phc = ${p.secretPhc}::text, detail = ${saying(sql`${p.secretPhc}::text`, said("voided"))}
    where account_id = ${p.accountId}::uuid and kind = 'login' and secret_phc = ${p.before}::text`,
);

/** Voids what was signed with the secret of an account so far, by another mark; the secret stays. */
export const voidSigned = statement<{ accountId: string; voided: Buffer }, never>(
  (p) => sql`update ${identities} set detail = ${saying(sql`secret_phc`, sql`${p.voided}::bytea`)}
    where account_id = ${p.accountId}::uuid and kind = 'login' and secret_phc is not null`,
);

/** A piece of a larger statement: the account's id while its secret has this name, held so that it stays. */
export function accountWithSecret(accountId: SQL, name: SQL): SQL {
  return sql`select account_id as id from ${identities}
    where account_id = ${accountId}::uuid and kind = 'login' and ${secretName} = ${name}::bytea
    for share`;
}

/** The same while what was signed with it has this mark. */
export function accountWithMark(accountId: SQL, mark: SQL): SQL {
  return sql`select account_id as id from ${identities}
    where account_id = ${accountId}::uuid and kind = 'login' and ${secretMark} = ${mark}::bytea
    for share`;
}

/** The marks of some accounts' secrets; of those that may be used. */
export const findMarks = statement<{ accountIds: string[] }, { accountId: string; secretMark: Buffer }>(
  (p) => sql`select i.account_id, ${secretMark} as secret_mark
    from ${identities} i join ${accounts} a on a.id = i.account_id
    where i.account_id = any(${p.accountIds}::uuid[]) and i.kind = 'login' and i.secret_phc is not null
      and a.status = 'active'`,
);
