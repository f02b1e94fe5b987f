import { expect, it } from "vitest";
import { ANONYMOUS, type Caller, isAdmin } from "../../server/kernel/caller.js";

const account = (roles: string[]): Caller => ({
  kind: "account",
  accountId: "a",
  familyId: "f",
  via: "token",
  expiresAt: new Date(0),
  roles,
});

it("an administrator is who has that very role, and never nobody", () => {
  expect(isAdmin(account(["admin"]))).toBe(true);
  expect(isAdmin(account(["support", "admin"]))).toBe(true);
  expect(isAdmin({ kind: "operator", roles: ["admin"] })).toBe(true);
  expect(isAdmin(account([]))).toBe(false);
  expect(isAdmin(account(["Admin", "administrator", "admin "]))).toBe(false);
  expect(isAdmin(ANONYMOUS)).toBe(false);
});
