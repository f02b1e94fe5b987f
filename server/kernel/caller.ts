/** Who makes a call, as `admit` found out. */
export type Caller =
  | { readonly kind: "anonymous" }
  | {
      readonly kind: "account";
      readonly accountId: string;
      readonly roles: readonly string[];
      /** The sign-in the token came from: what signing out revokes. */
      readonly familyId: string;
      readonly via: "token";
      readonly expiresAt: Date;
    }
  /** Whoever holds the installation's admin token: its own command line. */
  | { readonly kind: "operator"; readonly roles: readonly string[] };

export const ANONYMOUS: Caller = { kind: "anonymous" };

/** Whether the caller holds the role `admin`. */
export function isAdmin(caller: Caller): boolean {
  return caller.kind !== "anonymous" && caller.roles.includes("admin");
}
