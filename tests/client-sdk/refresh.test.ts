import { BackstayError, memoryStore, type TokenStore } from "@backstay/client";
import { Code } from "@connectrpc/connect";
import { expect, onTestFinished, test } from "vitest";
import { AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { testClock } from "../domains/support.js";
import { startBackstay } from "../support/backstay.js";
import { impatientClient, rejection } from "./support/client.js";
import { deferred } from "./support/queue.js";
import { refusal, tokenExpired, unavailable } from "./support/refusals.js";
import { startScriptedServer } from "./support/scripted-server.js";
import { bearerOf, keptTokens, servedTokens } from "./support/tokens.js";

const { refresh, signIn } = AuthService.method;
const { getAccount, createAccount, updateAccount } = AccountService.method;

/** A server that takes only the access token of generation `good`, and answers a refresh with that generation. */
async function startAtGeneration(good: number) {
  const server = await startScriptedServer();
  server.on(getAccount, (_, call) => {
    if (bearerOf(call) !== `access-${good}`) throw tokenExpired();
    return { account: { id: "ada" } };
  });
  server.on(refresh, () => ({ tokens: servedTokens(good) }));
  return server;
}

test("twenty calls whose token has ended cause one refresh and all succeed", async () => {
  const server = await startAtGeneration(2);
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1, -1)) });
  const answers = await Promise.all(Array.from({ length: 20 }, () => client.accounts.getAccount()));
  expect(answers.map((answer) => answer.account?.id)).toEqual(Array(20).fill("ada"));
  expect(server.callsOf(refresh)).toHaveLength(1);
  expect(server.callsOf(getAccount)).toHaveLength(20);
});

test("twenty calls whose token is refused cause one refresh and are sent again", async () => {
  const server = await startAtGeneration(2);
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1)) });
  const answers = await Promise.all(Array.from({ length: 20 }, () => client.accounts.getAccount()));
  expect(answers.every((answer) => answer.account?.id === "ada")).toBe(true);
  expect(server.callsOf(refresh)).toHaveLength(1);
});

test("a refusal that arrives after the refresh is answered by sending again, not by a second refresh", async () => {
  const server = await startAtGeneration(2);
  const renewed = deferred<void>();
  const arrived = deferred<void>();
  server.on(updateAccount, async (_, call) => {
    if (bearerOf(call) === "access-2") return {};
    arrived.resolve();
    await renewed.promise;
    throw tokenExpired();
  });
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1)) });
  const late = client.accounts.updateAccount({ account: { name: "Ada" } });
  await arrived.promise;
  await client.accounts.getAccount();
  renewed.resolve();
  await late;
  expect(server.callsOf(refresh)).toHaveLength(1);
});

test("the token is renewed 30 s before it ends, with the refresh token and without the old access token", async () => {
  const server = await startAtGeneration(2);
  server.on(refresh, ({ refreshToken }) => {
    expect(refreshToken).toBe("refresh-1");
    return { tokens: servedTokens(2) };
  });
  const store = memoryStore(keptTokens(1, 29_000));
  const client = impatientClient(server.url, { store });
  await client.accounts.getAccount();
  expect(server.calls.map((call) => [call.method, bearerOf(call)])).toEqual([
    ["Refresh", undefined],
    ["GetAccount", "access-2"],
  ]);
  expect(await store.load()).toMatchObject({ refreshToken: "refresh-2", accountId: "ada", deviceId: "device-1" });
});

test("a token that is good for longer is not renewed", async () => {
  const server = await startAtGeneration(1);
  await impatientClient(server.url, { store: memoryStore(keptTokens(1, 60_000)) }).accounts.getAccount();
  expect(server.callsOf(refresh)).toEqual([]);
});

test("a refused refresh signs out, and the call rejects as the server answers someone who is not signed in", async () => {
  const server = await startScriptedServer();
  server.on(refresh, () => {
    throw refusal(Code.Unauthenticated, "REFRESH_TOKEN_REUSED");
  });
  server.on(getAccount, (_, call) => {
    expect(bearerOf(call)).toBeUndefined();
    throw refusal(Code.Unauthenticated, "MISSING_TOKEN");
  });
  const store = memoryStore(keptTokens(1, -1));
  const client = impatientClient(server.url, { store });
  const events: string[] = [];
  client.auth.onChange(({ event }) => events.push(event));
  expect(BackstayError.is(await rejection(client.accounts.getAccount()), "MISSING_TOKEN")).toBe(true);
  expect(events).toEqual(["signed_out"]);
  expect(client.auth.tokens).toBeUndefined();
  expect(await store.load()).toBeUndefined();
});

test("a sign-in that has lapsed does not stand in the way of registering", async () => {
  const server = await startScriptedServer();
  server.on(refresh, () => {
    throw refusal(Code.Unauthenticated, "TOKEN_EXPIRED");
  });
  server.on(createAccount, () => ({ account: { id: "grace" } }));
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1, -1)) });
  const { account } = await client.accounts.createAccount({ login: "grace", secret: "hopper", name: "Grace" });
  expect(account?.id).toBe("grace");
});

test("a refresh that cannot reach the server rejects the call as unavailable and does not sign out", async () => {
  const server = await startAtGeneration(2);
  let down = true;
  server.on(refresh, (_, call) => {
    if (down) call.drop();
    return { tokens: servedTokens(2) };
  });
  const store = memoryStore(keptTokens(1, -1));
  const client = impatientClient(server.url, { store });
  const events: string[] = [];
  client.auth.onChange(({ event }) => events.push(event));
  expect(BackstayError.is(await rejection(client.messages.markRead({ id: "1" })), "unavailable")).toBe(true);
  expect(events).toEqual([]);
  expect(client.auth.tokens?.refreshToken).toBe("refresh-1");
  down = false;
  await client.accounts.getAccount();
  expect(events).toEqual(["refreshed"]);
});

test("a refresh that fails while the token is still good does not disturb the call", async () => {
  const server = await startAtGeneration(1);
  server.on(refresh, () => {
    throw unavailable();
  });
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1, 20_000)) });
  expect((await client.accounts.getAccount()).account?.id).toBe("ada");
  expect((await client.accounts.getAccount()).account?.id).toBe("ada");
  expect(server.callsOf(refresh)).toHaveLength(4);
});

test("a refresh whose answer is lost is repeated with the same refresh token", async () => {
  const server = await startAtGeneration(2);
  const sent: string[] = [];
  server.on(refresh, ({ refreshToken }, call) => {
    sent.push(refreshToken);
    if (sent.length === 1) call.drop();
    return { tokens: servedTokens(2) };
  });
  await impatientClient(server.url, { store: memoryStore(keptTokens(1, -1)) }).accounts.getAccount();
  expect(sent).toEqual(["refresh-1", "refresh-1"]);
});

test("unauthenticated for another reason is neither refreshed nor repeated", async () => {
  const server = await startScriptedServer();
  server.on(getAccount, () => {
    throw refusal(Code.Unauthenticated, "SOMETHING_ELSE");
  });
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1)) });
  expect(BackstayError.is(await rejection(client.accounts.getAccount()), "SOMETHING_ELSE")).toBe(true);
  expect(server.calls).toHaveLength(1);
});

test("a token that is refused twice is renewed once and then the call rejects", async () => {
  const server = await startAtGeneration(9);
  server.on(refresh, () => ({ tokens: servedTokens(2) }));
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1)) });
  expect(BackstayError.is(await rejection(client.accounts.getAccount()), "TOKEN_EXPIRED")).toBe(true);
  expect(server.calls.map((call) => call.method)).toEqual(["GetAccount", "Refresh", "GetAccount"]);
});

test("a machine whose clock runs an hour ahead does not refresh with every call", async () => {
  const server = await startAtGeneration(2);
  server.on(refresh, () => ({ tokens: servedTokens(2, -3_600_000) }));
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1, -1)) });
  for (let i = 0; i < 3; i++) await client.accounts.getAccount();
  expect(server.callsOf(refresh)).toHaveLength(1);
});

test("signing in while a refresh is under way is not undone by its answer", async () => {
  const server = await startScriptedServer();
  const arrived = deferred<void>();
  const answer = deferred<void>();
  server.on(refresh, async () => {
    arrived.resolve();
    await answer.promise;
    return { tokens: servedTokens(2) };
  });
  server.on(signIn, () => ({ account: { id: "grace" }, tokens: servedTokens(7), deviceId: "device-7" }));
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1)) });
  const refreshing = client.auth.refresh();
  await arrived.promise;
  await client.auth.signIn({ login: "grace", secret: "hopper" });
  answer.resolve();
  await refreshing;
  expect(client.auth.tokens).toMatchObject({ accessToken: "access-7", accountId: "grace" });
});

test("signing out while a refresh is under way is not undone by its answer, even when the store is slow to forget", async () => {
  const server = await startScriptedServer();
  const arrived = deferred<void>();
  const answer = deferred<void>();
  server.on(refresh, async () => {
    arrived.resolve();
    await answer.promise;
    return { tokens: servedTokens(2) };
  });
  const inner = memoryStore(keptTokens(1));
  const forgotten = deferred<void>();
  const store: TokenStore = {
    load: async () => inner.load(),
    save: async (tokens) => {
      if (!tokens) await forgotten.promise;
      await inner.save(tokens);
    },
  };
  const client = impatientClient(server.url, { store });
  const refreshing = rejection(client.auth.refresh());
  await arrived.promise;
  const out = deferred<void>();
  client.auth.onChange(({ event }) => event === "signed_out" && out.resolve());
  const signingOut = client.auth.signOut();
  await out.promise;
  answer.resolve();
  expect(BackstayError.is(await refreshing, "SIGNED_OUT")).toBe(true);
  forgotten.resolve();
  await signingOut;
  expect(client.auth.tokens).toBeUndefined();
  expect(await inner.load()).toBeUndefined();
});

test("giving up one call does not give up the refresh that others wait for", async () => {
  const server = await startAtGeneration(2);
  const arrived = deferred<void>();
  const answer = deferred<void>();
  server.on(refresh, async () => {
    arrived.resolve();
    await answer.promise;
    return { tokens: servedTokens(2) };
  });
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1, -1)) });
  const impatient = new AbortController();
  const given = client.accounts.getAccount({}, { signal: impatient.signal });
  const waiting = client.accounts.getAccount();
  await arrived.promise;
  impatient.abort();
  expect(BackstayError.is(await rejection(given), "canceled")).toBe(true);
  answer.resolve();
  expect((await waiting).account?.id).toBe("ada");
});

test("a token that has ended is renewed also where the installation lets anyone call", async () => {
  const clock = testClock();
  const backstay = await startBackstay({ "access.public": "AccountService/Get*" }, { overrides: { clock } });
  onTestFinished(() => backstay.stop());
  const { id, login, client } = await backstay.signUp();
  clock.advance(16 * 60_000);
  const events: string[] = [];
  client.auth.onChange(({ event }) => events.push(event));
  // A stranger sees no login.
  expect((await client.accounts.getAccount({ id })).account?.login).toBe(login);
  expect(events).toEqual(["refreshed"]);
  clock.advance(16 * 60_000);
  expect((await client.accounts.getAccount({ id: "me" })).account?.login).toBe(login);
  expect(events).toEqual(["refreshed", "refreshed"]);
});

test("refresh() rejects when nobody is signed in", async () => {
  const server = await startScriptedServer();
  expect(await rejection(impatientClient(server.url).auth.refresh())).toMatchObject({
    code: "unauthenticated",
    reason: "SIGNED_OUT",
  });
});

test("a call that is not repeated for anything else is sent again with the new token", async () => {
  const server = await startAtGeneration(2);
  server.on(MessageService.method.markRead, (_, call) => {
    if (bearerOf(call) !== "access-2") throw refusal(Code.Unauthenticated, "INVALID_TOKEN");
    return { message: { id: "1" } };
  });
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1)) });
  expect((await client.messages.markRead({ id: "1" })).message?.id).toBe("1");
});
