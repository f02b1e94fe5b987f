import { BackstayError } from "./backstay-error.js";
import { createListeners } from "./listeners.js";
import type { StoredTokens, TokenStore } from "./token-store.js";
import { withLock } from "./with-lock.js";

/** How long before its end a token is renewed, in milliseconds. */
export const RENEW_BEFORE_MS = 30_000;
const RENEW_AGAIN_MS = 5_000;

/** What happened to the client's sign-in. */
export interface AuthChange {
  /** `signed_out` also when the server no longer takes the tokens, or another tab signed out. */
  event: "signed_in" | "refreshed" | "signed_out";
}

/** Who the client is, and the tokens that prove it. */
export interface Session {
  /** The session cannot change: it is a token that was given to the client. */
  readonly fixed: boolean;
  readonly tokens: StoredTokens | undefined;
  /** The token to send; renewed first when it is about to end. Undefined when nobody is signed in. */
  bearer(): Promise<string | undefined>;
  /** Gets past a token that was refused. False: there is no better one. Rejects when the server cannot be reached. */
  renew(refused: string): Promise<boolean>;
  /** Renews now. Rejects when nobody is signed in, when the server refuses, and when it cannot be reached. */
  refresh(): Promise<void>;
  /** Signed in (tokens) or out (undefined). */
  replace(tokens: StoredTokens | undefined): Promise<void>;
  /** What makes this device a known one to SignIn; undefined when there is nothing, or it cannot be read. */
  deviceToken(): Promise<string | undefined>;
  /** Keeps that, whoever signs in or out. Where it cannot be kept, the device is simply unknown the next time. */
  keepDevice(token: string): Promise<void>;
  onChange(listener: (change: AuthChange) => void): () => void;
}

/** A session that is one token for ever. */
export function fixedSession(token: string): Session {
  return {
    fixed: true,
    tokens: undefined,
    bearer: async () => token,
    renew: async () => false,
    refresh: async () => {
      throw fixedToken();
    },
    replace: async () => {},
    deviceToken: async () => undefined,
    keepDevice: async () => {},
    onChange: () => () => {},
  };
}

/** The error of a client that was given a token when it is told to be someone else. */
export function fixedToken(): BackstayError {
  return new BackstayError("this client was created with a fixed token", {
    code: "failed_precondition",
    reason: "FIXED_TOKEN",
  });
}

/** The error of what needs a sign-in when there is none, or no longer. */
export function signedOut(): BackstayError {
  return new BackstayError("nobody is signed in", { code: "unauthenticated", reason: "SIGNED_OUT" });
}

/** A session that lives in a store and is renewed by `exchange`, which trades tokens for the next pair. */
export function storedSession(store: TokenStore, exchange: (tokens: StoredTokens) => Promise<StoredTokens>): Session {
  const listeners = createListeners<AuthChange>();
  let current: StoredTokens | undefined;
  let renewAt = Number.POSITIVE_INFINITY;
  let renewing: Promise<StoredTokens> | undefined;

  function become(next: StoredTokens | undefined) {
    const event = changeBetween(current, next);
    current = next;
    renewAt = next ? next.accessExpiresAt - RENEW_BEFORE_MS : Number.POSITIVE_INFINITY;
    if (event) listeners.emit({ event });
  }

  function becomeReceived(next: StoredTokens) {
    become(next);
    // New, and yet about to end: this machine's clock is wrong. The server will say when it has ended.
    if (Date.now() >= renewAt) renewAt = Number.POSITIVE_INFINITY;
  }

  function adopt(next: StoredTokens | undefined): StoredTokens {
    become(next);
    if (!next) throw signedOut();
    return next;
  }

  const loaded = store.load();
  let loading: Promise<void> | undefined;
  if (loaded instanceof Promise) {
    loading = loaded.then(become);
    loading.catch(() => {});
  } else become(loaded);

  store.watch?.(() => {
    Promise.resolve(store.load()).then(become, () => {});
  });

  async function renewOnce(refused: string): Promise<StoredTokens> {
    const used = adopt(await store.load());
    if (used.accessToken !== refused) return used;
    let next: StoredTokens | undefined;
    let refusal: unknown;
    try {
      next = await exchange(used);
    } catch (error) {
      if (!BackstayError.is(error, "unauthenticated")) throw error;
      refusal = error;
    }
    // Meanwhile another tab, or this client, may have signed in or out.
    const stored = await store.load();
    if (current?.refreshToken !== used.refreshToken) return adopt(current);
    if (stored?.refreshToken !== used.refreshToken) return adopt(stored);
    if (next) becomeReceived(next);
    else become(undefined);
    await store.save(next);
    if (!next) throw refusal;
    return next;
  }

  function renewed(refused: string): Promise<StoredTokens> {
    if (current && current.accessToken !== refused) return Promise.resolve(current);
    renewing ??= withLock(store.lockName, () => renewOnce(refused)).finally(() => {
      renewing = undefined;
    });
    return renewing;
  }

  return {
    fixed: false,
    get tokens() {
      return current;
    },
    async bearer() {
      await loading;
      const held = current;
      if (!held || Date.now() < renewAt) return held?.accessToken;
      try {
        return (await renewed(held.accessToken)).accessToken;
      } catch (error) {
        if (BackstayError.is(error, "unauthenticated")) return undefined;
        if (Date.now() >= held.accessExpiresAt) throw error;
        renewAt = Date.now() + RENEW_AGAIN_MS;
        return held.accessToken;
      }
    },
    async renew(refused) {
      try {
        await renewed(refused);
        return true;
      } catch (error) {
        if (BackstayError.is(error, "unauthenticated")) return false;
        throw error;
      }
    },
    async refresh() {
      await loading;
      if (!current) throw signedOut();
      await renewed(current.accessToken);
    },
    async replace(tokens) {
      await loading;
      if (tokens) becomeReceived(tokens);
      else become(undefined);
      await store.save(tokens);
    },
    async deviceToken() {
      try {
        return await store.loadDevice?.();
      } catch {
        return undefined;
      }
    },
    async keepDevice(token) {
      try {
        if (token !== "") await store.saveDevice?.(token);
      } catch {
        // It is of use, not needed.
      }
    },
    onChange: listeners.add,
  };
}

function changeBetween(
  before: StoredTokens | undefined,
  after: StoredTokens | undefined,
): AuthChange["event"] | undefined {
  if (before?.accessToken === after?.accessToken) return undefined;
  if (!after) return "signed_out";
  return before?.deviceId === after.deviceId ? "refreshed" : "signed_in";
}
