/** How an account proved itself. */
export type Via = "token" | "cookie" | "signature" | "api_key";

/** What a key lets its holder do, and which it is. */
export interface KeyProof {
  /** The API key that proves the call: what was opened with it ends with it. */
  readonly apiKeyId?: string | undefined;
  /** What the key may be used for; absent is all that the caller may. */
  readonly scopes?: readonly string[] | undefined;
}

/** What proves a caller. */
interface Proof extends KeyProof {
  /** When it was looked up, in milliseconds of `performance.now()`: it may be remembered since. Absent is just now. */
  readonly readAt?: number | undefined;
}

/** Who makes a call, as `admit` found out. */
export type Caller =
  | { readonly kind: "anonymous" }
  | (Proof & {
      readonly kind: "account";
      readonly accountId: string;
      readonly roles: readonly string[];
      readonly via: Via;
      /** The sign-in the token or cookie came from: what signing out revokes. A signature comes from none. */
      readonly familyId?: string | undefined;
      /** The secret a signature was checked against, by a hash of what is kept of it: what was proved stands while it does. */
      readonly secretMark?: Buffer | undefined;
      /** When the proof ends, and with it what it opened. */
      readonly expiresAt: Date;
    })
  /** Whoever holds the installation's admin token: its own command line. Or one of its API keys. */
  | (Proof & {
      readonly kind: "operator";
      readonly roles: readonly string[];
      /** When the API key ends, and with it what it opened; absent is never. */
      readonly expiresAt?: Date | undefined;
    });

/** What a call is to be known by, as it was sent: nothing of it has been looked up. */
export type ShownProof =
  /** A bearer token or API key, or a session cookie. */
  | { readonly by: "token" | "cookie"; readonly text: string }
  /** A signature with an API key, and where it comes from. */
  | { readonly by: "key"; readonly keyId: string; readonly address: string };

/** What a caller has lost since he was admitted: all that proved him, or only a role. */
export type Loss = "sign-in" | "role";

export const ANONYMOUS: Caller = { kind: "anonymous" };

/** When the caller's proof ends, and with it what it opened: milliseconds since 1970, or Infinity. */
export function endOf(caller: Caller): number {
  const expiresAt = caller.kind === "anonymous" ? undefined : caller.expiresAt;
  return expiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
}

/** Whether the caller's proof has ended at `now`. */
export function isOver(caller: Caller, now: Date): boolean {
  return endOf(caller) <= now.getTime();
}

/** Whether the caller holds the role `admin`. */
export function isAdmin(caller: Caller): boolean {
  return caller.kind !== "anonymous" && caller.roles.includes("admin");
}
