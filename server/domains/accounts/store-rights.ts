import { type SQL, sql } from "drizzle-orm";
import { type Parameters, statement } from "../../platform/db/index.js";
import { type NewEvent, recordFrom } from "../../platform/events/index.js";
import { accounts } from "./schema.js";

/** The accounts that may do everything, held until the transaction ends, so that two of them cannot remove each other. */
export const lockAdmins = statement<object, { id: string }>(
  () => sql`select id from ${accounts} where 'admin' = any(roles) and status = 'active'
    order by id for no key update`,
);

/** Holds an account that is no administrator, so that it becomes none before the transaction ends; no row for one that is. */
export const lockOtherThanAdmin = statement<{ id: string }, { id: string }>(
  (p) => sql`select id from ${accounts} where id = ${p.id}::uuid and not 'admin' = any(roles) for no key update`,
);

type RoleChange = { id: string; role: string } & NewEvent;

/** Changes the roles of an account where `when` says so, and says it in the same statement; otherwise returns no row. */
function roleChange(change: (p: Parameters<RoleChange>) => { roles: SQL; when: SQL }) {
  return statement<RoleChange, { id: string }>((p) => {
    const { roles, when } = change(p);
    return sql`with changed as (
        update ${accounts} a set roles = ${roles}, updated_at = ${p.at}::timestamptz
        where a.id = ${p.id}::uuid and ${when}
        returning a.id
      ), told as (${recordFrom(sql`changed`, p)})
      select id from changed`;
  });
}

/** Gives an account a role that it has not. */
export const addRole = roleChange((p) => ({
  roles: sql`array(select unnest(a.roles || ${p.role}::text) as role order by role)`,
  when: sql`not ${p.role}::text = any(a.roles)`,
}));

/** Takes a role that an account has. */
export const removeRole = roleChange((p) => ({
  roles: sql`array_remove(a.roles, ${p.role}::text)`,
  when: sql`${p.role}::text = any(a.roles)`,
}));

/** Sets whether an account may be used; returns no row when it is so already, or there is none. */
export const setStatus = statement<{ id: string; status: string; at: Date }, { id: string }>(
  (p) => sql`update ${accounts} set status = ${p.status}::text, updated_at = ${p.at}::timestamptz
    where id = ${p.id}::uuid and status <> ${p.status}::text
    returning id`,
);

/** The roles of some accounts. */
export const findRoles = statement<{ ids: string[] }, { id: string; roles: string[] }>(
  (p) => sql`select id, roles from ${accounts} where id = any(${p.ids}::uuid[])`,
);
