import { expect, it } from "vitest";
import { ANONYMOUS, type Caller, endOf, isAdmin, isOver } from "../../server/kernel/caller.js";

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

it("what proves a caller ends when it says, an API key of the installation as any other, or never", () => {
  const operator: Caller = { kind: "operator", roles: ["admin"] };
  for (const caller of [account([]), { ...operator, expiresAt: new Date(0) }]) {
    expect(endOf(caller)).toBe(0);
    expect(isOver(caller, new Date(-1))).toBe(false);
    expect(isOver(caller, new Date(0))).toBe(true);
  }
  for (const caller of [operator, ANONYMOUS]) {
    expect(endOf(caller)).toBe(Number.POSITIVE_INFINITY);
    expect(isOver(caller, new Date(8.64e15))).toBe(false);
  }
});
