/** The tokens of a sign-in as the client keeps them: plain JSON. */
export interface StoredTokens {
  /** Goes into the header `authorization: Bearer` of every call. */
  accessToken: string;
  /** When the access token ends, in milliseconds since 1970 by the server's clock. */
  accessExpiresAt: number;
  /** Buys the next pair, once. */
  refreshToken: string;
  /** When the refresh token ends, in milliseconds since 1970 by the server's clock. */
  refreshExpiresAt: number;
  /** The account that is signed in. */
  accountId: string;
  /** Names this sign-in among the account's others; stays the same from refresh to refresh. */
  deviceId: string;
}

/**
 * Where a client keeps its tokens. Implement it to keep them elsewhere, such as in a phone's key chain:
 *
 * ```ts
 * const store: TokenStore = {
 *   load: async () => JSON.parse((await keychain.get("backstay")) ?? "null") ?? undefined,
 *   save: (tokens) => (tokens ? keychain.set("backstay", JSON.stringify(tokens)) : keychain.delete("backstay")),
 * };
 * ```
 */
export interface TokenStore {
  /** What was saved last; undefined when nothing is. A rejection becomes the rejection of the call that needs a token. */
  load(): StoredTokens | undefined | Promise<StoredTokens | undefined>;
  /** Replaces what is kept; undefined forgets it. */
  save(tokens: StoredTokens | undefined): void | Promise<void>;
  /**
   * What was saved last of what SignIn answered as `deviceToken`: whoever shows it is not stopped by the wrong secrets that others
   * try. It proves nothing by itself. Without this and `saveDevice` the client is a stranger at each sign-in.
   */
  loadDevice?(): string | undefined | Promise<string | undefined>;
  /** Replaces it. It stays when `save` forgets the tokens. */
  saveDevice?(token: string): void | Promise<void>;
  /** Set when several tabs or workers share the store: the name of the lock under which only one of them refreshes. */
  readonly lockName?: string;
  /** Calls back whenever another tab has saved, until the returned function is called. */
  watch?(listener: () => void): () => void;
}

/** Keeps tokens until the page or process ends, beginning with `tokens` if given. The default outside browsers. */
export function memoryStore(tokens?: StoredTokens): TokenStore {
  let kept = tokens;
  let device: string | undefined;
  return {
    load: () => kept,
    save(next) {
      kept = next;
    },
    loadDevice: () => device,
    saveDevice(token) {
      device = token;
    },
  };
}

/**
 * Keeps tokens in the browser's localStorage under `key`: they outlive the page and all tabs of the origin share them. Beside
 * them, under `KEY device`, stands what makes the browser a known one to SignIn, which outlives signing out.
 * The default in browsers. Behaves as {@link memoryStore} where localStorage is missing, full or forbidden.
 *
 * ```ts
 * const client = createClient(url, { store: localStorageStore("my-app.tokens") });
 * ```
 */
export function localStorageStore(key: string): TokenStore {
  const deviceKey = `${key} device`;
  let unsaved: { tokens: StoredTokens | undefined } | undefined;
  let unsavedDevice: string | undefined;
  return {
    lockName: key,
    load() {
      if (unsaved) return unsaved.tokens;
      try {
        return parse(localStorage.getItem(key));
      } catch {
        return undefined;
      }
    },
    save(tokens) {
      try {
        if (tokens) localStorage.setItem(key, JSON.stringify(tokens));
        else localStorage.removeItem(key);
        unsaved = undefined;
      } catch {
        unsaved = { tokens };
      }
    },
    loadDevice() {
      if (unsavedDevice) return unsavedDevice;
      try {
        return localStorage.getItem(deviceKey) ?? undefined;
      } catch {
        return undefined;
      }
    },
    saveDevice(token) {
      try {
        localStorage.setItem(deviceKey, token);
        unsavedDevice = undefined;
      } catch {
        unsavedDevice = token;
      }
    },
    watch(listener) {
      // The key is null when the whole storage was cleared.
      const onStorage = (event: StorageEvent) => {
        if (event.key === key || event.key === null) listener();
      };
      globalThis.addEventListener?.("storage", onStorage);
      return () => globalThis.removeEventListener?.("storage", onStorage);
    },
  };
}

/** The store a client has when none is given. The server's URL is part of the key: tokens never go to another server. */
export function defaultStore(url: string): TokenStore {
  // Node has a localStorage of its own that is not the user's and warns when touched.
  return typeof document === "undefined" ? memoryStore() : localStorageStore(`backstay ${url}`);
}

function parse(text: string | null): StoredTokens | undefined {
  const value = JSON.parse(text ?? "null") as Partial<StoredTokens> | null;
  return typeof value?.accessToken === "string" && typeof value.refreshToken === "string"
    ? (value as StoredTokens)
    : undefined;
}
