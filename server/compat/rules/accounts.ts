import { type Account, AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { EventService } from "#gen/backstay/events/v1/events_pb.js";
import { compatEvent } from "../../domains/events/index.js";
import { DomainError } from "../../kernel/errors.js";
import { conditions } from "../conditions.js";
import type { Given } from "../given.js";
import { only, page, record } from "../record.js";
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

const TEXTS = ["name", "alias", "email", "phone", "gender", "birthday", "address"] as const;

/** An account as bk_account shows it: what it does not have, or the caller may not see, is left out. */
export function accountRecord(account: Account | undefined): object {
  if (account === undefined) return {};
  const { id, login, name, alias, email, phone, gender, birthday, address, roles } = account;
  const times = { ctime: milliseconds(account.createTime), mtime: milliseconds(account.updateTime) };
  return record({ id, login, name, alias, email, phone, gender, birthday, address, type: roles.join(","), ...times });
}

function textsOf(given: Given) {
  return Object.fromEntries(TEXTS.filter((name) => given.has(name)).map((name) => [name, given.text(name)]));
}

const list = (path: string) =>
  compatRule(path, AccountService.method.listAccounts, {
    rows: "accounts",
    ask: (given) => ({
      filters: conditions(given, COLUMNS),
      ...(given.has("_select") && { readMask: { paths: given.list("_select").map(columnOf) } }),
      sort: columnOf(given.text("_sort")),
      descending: given.yes("_desc"),
      pageSize: given.number("_count") ?? 0,
      pageToken: given.text("_token"),
    }),
    reply: ({ accounts, nextPageToken }, given) =>
      page(
        accounts.map((account) => only(accountRecord(account), given)),
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
      signatures: given.sealsSecrets,
    }),
    reply: ({ account }) => accountRecord(account),
  }),

  compatRule("/account/get", AccountService.method.batchGetAccounts, {
    sessions: true,
    ask: (given) => ({ ids: given.has("id") ? given.list("id") : ["me"] }),
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
    ask: () => ({ id: "me" }),
    reply: () => ({}),
  }),

  compatRule("/account/put/secret", AuthService.method.changeSecret, {
    secrets: ["secret", "old"],
    ask: (given) => ({ old: given.text("old"), new: given.text("secret"), signatures: given.sealsSecrets }),
    reply: () => ({}),
  }),

  compatRule("/account/subscribe", EventService.method.poll, {
    ask: (given) => ({ match: given.text("match"), afterCursor: given.text("cursor"), othersOnly: true }),
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
