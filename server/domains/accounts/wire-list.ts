import { create } from "@bufbuild/protobuf";
import { type Account, AccountSchema } from "#gen/backstay/accounts/v1/accounts_pb.js";

/** Some fields of an account on the wire, by their proto names. */
export function toPartOfAccount(account: Account, fields: readonly string[]): Account {
  const shown = AccountSchema.fields.filter(({ name }) => fields.includes(name));
  return create(AccountSchema, Object.fromEntries(shown.map(({ localName }) => [localName, read(account, localName)])));
}

function read(account: Account, localName: string): unknown {
  return account[localName as keyof Account];
}
