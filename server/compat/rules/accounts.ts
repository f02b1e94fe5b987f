import { type Account, AccountService, AccountStatus } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { EventService } from "#gen/backstay/events/v1/events_pb.js";
import { compatEvent } from "../../domains/events/index.js";
import { DomainError } from "../../kernel/errors.js";
import { conditions } from "../conditions.js";
import { checkExact, ownChange, ownOnly } from "../exact.js";
import type { Given } from "../given.js";
import { checkSelect, only, page, record } from "../record.js";
import { type CompatRule, compatRule } from "../rule.js";
import { milliseconds } from "../time.js";

/** Columns of bk_account that are ours under another name, or the same. */
const COLUMNS = {
  id: "id",
  login: "login",
  name: "name",
  alias: "alias",
  email: "email",
  phone: "phone",
  gender: "gender",
  birthday: "birthday",
  address: "address",
  type: "roles",
  ctime: "create_time",
  mtime: "update_time",
} as const;

/** Those that accounts are listed by. */
const LISTED = { ...COLUMNS, status: "status", email_verified: "email_verified" } as const;

/** Those that everyone sees of everybody. */
const PUBLIC = ["id", "name", "alias", "ctime", "mtime"];

const TEXTS = ["name", "alias", "email", "phone", "gender", "birthday", "address"] as const;

/** An account as bk_account shows it: what it does not have, or the caller may not see, is left out. */
export function accountRecord(account: Account | undefined): object {
  if (account === undefined) return {};
  const { id, login, name, alias, email, phone, gender, birthday, address, roles } = account;
  const times = { ctime: milliseconds(account.createTime), mtime: milliseconds(account.updateTime) };
  return record({ id, login, name, alias, email, phone, gender, birthday, address, type: roles.join(","), ...times });
}

/** The same in a list, by which administrators look for who is banned, or has shown that an address is his. */
function listedRecord(account: Account): object {
  const status = account.status === AccountStatus.BANNED ? "banned" : undefined;
  return { ...accountRecord(account), ...record({ status, email_verified: account.emailVerified || undefined }) };
}

/** Throws for a column that `_select` names and accounts do not have, or do not show of others. */
export function checkAccountSelect(given: Given, { whole }: { whole: boolean }): void {
  const columns = Object.keys(COLUMNS);
  checkSelect(given, columns, whole ? columns : PUBLIC);
}

function textsOf(given: Given) {
  return Object.fromEntries(TEXTS.filter((name) => given.has(name)).map((name) => [name, given.text(name)]));
}

const list = (path: string) =>
  compatRule(path, AccountService.method.listAccounts, {
    rows: "accounts",
    ask: (given) => {
      // Which of them are public the RPC says.
      checkSelect(given, Object.keys(LISTED));
      return {
        filters: conditions(given, LISTED),
        ...(given.has("_select") && { readMask: { paths: given.list("_select").map(columnOf) } }),
        sort: columnOf(given.text("_sort")),
        descending: given.yes("_desc"),
        pageSize: given.number("_count") ?? 0,
        pageToken: given.text("_token"),
      };
    },
    reply: ({ accounts, nextPageToken }, given) =>
      page(
        accounts.map((account) => only(listedRecord(account), given)),
        nextPageToken,
      ),
  });

/** What nobody knows is passed on as it is, so that the refusal names it. */
function columnOf(name: string): string {
  return Object.hasOwn(COLUMNS, name) ? COLUMNS[name as keyof typeof COLUMNS] : name;
}

export const accountRules: readonly CompatRule[] = [
  compatRule("/account/add", AccountService.method.createAccount, {
    secrets: ["secret"],
    ask: (given) => ({
      ...textsOf(given),
      login: given.text("login"),
      secret: given.text("secret"),
      roles: given.list("type"),
    }),
    reply: ({ account }) => accountRecord(account),
  }),

  compatRule("/account/get", AccountService.method.batchGetAccounts, {
    sessions: true,
    ask: (given) => {
      checkAccountSelect(given, { whole: given.seesAll || given.isOwn("id") });
      return { ids: given.has("id") ? given.list("id") : ["me"] };
    },
    reply: ({ accounts }, given) => {
      const records = accounts.map((account) => only(accountRecord(account), given));
      return given.has("id") ? records : records[0];
    },
  }),

  list("/account/select"),
  list("/account/search"),

  compatRule("/account/update", AccountService.method.updateAccount, {
    ask: (given) => {
      // What an account has besides is asked for too, so that it is refused rather than passed over.
      const paths = Object.keys(COLUMNS)
        .filter((name) => given.has(name))
        .map(columnOf);
      if (paths.length === 0) throw new DomainError("INVALID_FIELD", `Give one of ${TEXTS.join(", ")} to change.`);
      return { account: { ...textsOf(given), id: "me" }, updateMask: { paths } };
    },
    reply: ({ account }) => accountRecord(account),
  }),

  compatRule("/account/del", AccountService.method.deleteAccount, {
    ask: (given) => {
      checkExact(given, ["id"], "An account is deleted by id");
      return { id: given.text("id") || "me" };
    },
    reply: () => ({}),
  }),

  compatRule("/account/put/secret", AuthService.method.changeSecret, {
    secrets: ["secret", "old"],
    ask: (given) => {
      ownChange(given);
      const other = given.columns.find((name) => name !== "id" && Object.hasOwn(COLUMNS, name));
      if (other !== undefined) {
        throw new DomainError("INVALID_FIELD", `The secret is the caller's own, and ${other} stays: leave it out.`, {
          field: other,
        });
      }
      return { old: given.text("old"), new: given.text("secret") };
    },
    reply: () => ({}),
  }),

  compatRule("/account/subscribe", EventService.method.poll, {
    ask: (given) => {
      ownOnly(given);
      return { match: given.text("match"), afterCursor: given.text("cursor"), othersOnly: true };
    },
    reply: ({ events }) => {
      const told = events.map(({ type, time, data }) =>
        compatEvent({ type, time: milliseconds(time) ?? 0, data: data ?? {} }),
      );
      const seen = new Set<string>();
      return told.filter((event) => {
        const text = JSON.stringify(event);
        return !seen.has(text) && seen.add(text);
      });
    },
  }),
];
