import { localStorageStore, memoryStore, type StoredTokens, type TokenStore } from "@backstay/client";
import { expect, onTestFinished, test, vi } from "vitest";
import { AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { impatientClient, rejection } from "./support/client.js";
import { tokenExpired } from "./support/refusals.js";
import { startScriptedServer } from "./support/scripted-server.js";
import { bearerOf, keptTokens, servedTokens } from "./support/tokens.js";

const { refresh, signIn } = AuthService.method;
const { getAccount } = AccountService.method;

/** A browser's storage, shared by all "tabs" of the test. */
function stubLocalStorage() {
  const entries = new Map<string, string>();
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => entries.get(key) ?? null,
    setItem: (key: string, value: string) => void entries.set(key, value),
    removeItem: (key: string) => void entries.delete(key),
  });
  onTestFinished(() => void vi.unstubAllGlobals());
  return entries;
}

/** What a browser tells a tab when another one has written. */
function stubStorageEvents() {
  const target = new EventTarget();
  vi.stubGlobal("addEventListener", target.addEventListener.bind(target));
  vi.stubGlobal("removeEventListener", target.removeEventListener.bind(target));
  return (key: string | null) => target.dispatchEvent(Object.assign(new Event("storage"), { key }));
}

/** Web Locks for one name after the other; says who asked. */
function stubLocks() {
  const names: string[] = [];
  let last: Promise<unknown> = Promise.resolve();
  const request = (name: string, body: () => Promise<unknown>) => {
    names.push(name);
    const turn = last.then(body);
    last = turn.catch(() => {});
    return turn;
  };
  vi.stubGlobal("navigator", { locks: { request } });
  return names;
}

test("a memory store keeps what was saved last", () => {
  const store = memoryStore();
  expect(store.load()).toBeUndefined();
  store.save(keptTokens(1));
  expect(store.load()).toMatchObject({ accessToken: "access-1" });
  store.save(undefined);
  expect(store.load()).toBeUndefined();
});

test("a sign-in in localStorage is there for the next client with the same key, and not for another key", () => {
  stubLocalStorage();
  const tokens = keptTokens(1);
  localStorageStore("app").save(tokens);
  expect(localStorageStore("app").load()).toEqual(tokens);
  expect(localStorageStore("other").load()).toBeUndefined();
  localStorageStore("app").save(undefined);
  expect(localStorageStore("app").load()).toBeUndefined();
});

test("what stands in localStorage but is not tokens counts as nothing", () => {
  const entries = stubLocalStorage();
  for (const text of ["{", "7", "null", "{}", '{"accessToken":1}']) {
    entries.set("app", text);
    expect(localStorageStore("app").load()).toBeUndefined();
  }
});

test("a localStorage that cannot be used falls back to memory", () => {
  vi.stubGlobal("localStorage", undefined);
  onTestFinished(() => void vi.unstubAllGlobals());
  const store = localStorageStore("app");
  store.save(keptTokens(1));
  expect(store.load()).toMatchObject({ accessToken: "access-1" });
});

test("in a browser the default is localStorage, by the server's URL", async () => {
  const entries = stubLocalStorage();
  vi.stubGlobal("document", {});
  const server = await startScriptedServer();
  server.on(signIn, () => ({ tokens: servedTokens(1), deviceId: "d" }));
  await impatientClient(server.url).auth.signIn({ login: "ada", secret: "s" });
  expect([...entries.keys()]).toEqual([`backstay ${server.url}`]);
});

test("a store that answers later is waited for by the first call", async () => {
  const server = await startScriptedServer();
  const kept = keptTokens(1);
  const saved: (StoredTokens | undefined)[] = [];
  const store: TokenStore = {
    load: async () => kept,
    save: async (tokens) => void saved.push(tokens),
  };
  const client = impatientClient(server.url, { store });
  await client.accounts.getAccount();
  expect(bearerOf(server.calls[0])).toBe("access-1");
  await client.auth.signOut();
  expect(saved).toEqual([undefined]);
});

test("a store that cannot answer rejects the call, not the process", async () => {
  const server = await startScriptedServer();
  const client = impatientClient(server.url, {
    store: { load: () => Promise.reject(new Error("the key chain is locked")), save: () => {} },
  });
  expect(await rejection(client.accounts.getAccount())).toMatchObject({
    name: "BackstayError",
    message: "the key chain is locked",
  });
});

test("two tabs whose token has ended refresh once, under one lock", async () => {
  stubLocalStorage();
  const names = stubLocks();
  localStorageStore("app").save(keptTokens(1, -1));
  const server = await startScriptedServer();
  server.on(refresh, () => ({ tokens: servedTokens(2) }));
  const tabs = [1, 2].map(() => impatientClient(server.url, { store: localStorageStore("app") }));
  await Promise.all(tabs.map((tab) => tab.accounts.getAccount()));
  expect(names).toEqual(["app", "app"]);
  expect(server.callsOf(refresh)).toHaveLength(1);
  expect(server.callsOf(getAccount).map(bearerOf)).toEqual(["access-2", "access-2"]);
});

test("a tab whose refresh is refused takes over what another tab got meanwhile", async () => {
  stubLocalStorage();
  localStorageStore("app").save(keptTokens(1, -1));
  const server = await startScriptedServer();
  server.on(refresh, () => {
    localStorageStore("app").save(keptTokens(2));
    throw tokenExpired();
  });
  const client = impatientClient(server.url, { store: localStorageStore("app") });
  await client.accounts.getAccount();
  expect(bearerOf(server.callsOf(getAccount)[0])).toBe("access-2");
  expect(client.auth.tokens?.accessToken).toBe("access-2");
});

test("signing in and out in another tab is heard in this one", async () => {
  stubLocalStorage();
  const tellTabs = stubStorageEvents();
  const server = await startScriptedServer();
  const client = impatientClient(server.url, { store: localStorageStore("app") });
  const events: string[] = [];
  client.auth.onChange(({ event }) => events.push(event));
  const other = localStorageStore("app");
  for (const [tokens, key] of [
    [keptTokens(1), "app"],
    [keptTokens(2), "app"],
    [{ ...keptTokens(3), deviceId: "device-3" }, "app"],
    [keptTokens(4), "unrelated"],
    [undefined, null],
  ] as const) {
    if (key !== "unrelated") other.save(tokens);
    tellTabs(key);
    await Promise.resolve();
    await Promise.resolve();
  }
  expect(events).toEqual(["signed_in", "refreshed", "signed_in", "signed_out"]);
});

test("what makes a browser a known one stands beside the tokens, and stays when they are forgotten", () => {
  const entries = stubLocalStorage();
  const store = localStorageStore("app");
  expect(store.loadDevice?.()).toBeUndefined();
  store.save(keptTokens(1));
  store.saveDevice?.("bs_dt_1");
  store.save(undefined);
  expect([...entries]).toEqual([["app device", "bs_dt_1"]]);
  expect(localStorageStore("app").loadDevice?.()).toBe("bs_dt_1");
  expect(localStorageStore("other").loadDevice?.()).toBeUndefined();
});

test("without a localStorage it is known until the page ends", () => {
  vi.stubGlobal("localStorage", undefined);
  onTestFinished(() => void vi.unstubAllGlobals());
  const store = localStorageStore("app");
  expect(store.loadDevice?.()).toBeUndefined();
  store.saveDevice?.("bs_dt_1");
  expect(store.loadDevice?.()).toBe("bs_dt_1");
});
