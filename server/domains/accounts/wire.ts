import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Account, AccountSchema, AccountStatus } from "#gen/backstay/accounts/v1/accounts_pb.js";
import type { SeenAccount } from "./service.js";

/** Rows are kept for a second and never changed, so what was made of one serves again. */
const made = { whole: new WeakMap<object, Account>(), seen: new WeakMap<object, Account>() };

/** An account on the wire: whole for its owner and administrators, otherwise what everyone may see. */
export function toAccount({ account, whole }: SeenAccount): Account {
  const known = made[whole ? "whole" : "seen"];
  let message = known.get(account);
  if (message === undefined) {
    message = buildAccount({ account, whole });
    known.set(account, message);
  }
  return message;
}

function buildAccount({ account, whole }: SeenAccount): Account {
  const seen = create(AccountSchema);
  seen.id = account.id;
  seen.name = account.name;
  seen.alias = account.alias;
  seen.createTime = timestampFromDate(account.createdAt);
  seen.updateTime = timestampFromDate(account.updatedAt);
  if (!whole) return seen;
  seen.login = account.login ?? "";
  seen.email = account.email;
  seen.phone = account.phone;
  seen.gender = account.gender;
  seen.birthday = account.birthday;
  seen.address = account.address;
  seen.roles = account.roles;
  seen.status = account.status === "banned" ? AccountStatus.BANNED : AccountStatus.ACTIVE;
  seen.emailVerified = account.emailVerifiedAt !== null;
  return seen;
}
