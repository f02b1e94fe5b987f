import { type AuthClient, BackstayError, memoryStore } from "@backstay/client";
import type { DescMethod, DescMethodUnary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { SystemService } from "#gen/backstay/system/v1/system_pb.js";
import { impatientClient, rejection } from "./support/client.js";
import { refusal, unavailable } from "./support/refusals.js";
import { startScriptedServer } from "./support/scripted-server.js";
import { bearerOf, keptTokens, servedTokens } from "./support/tokens.js";

const { signIn, signOut, getCurrent, completeSetup } = AuthService.method;

async function startWithSignIn() {
  const server = await startScriptedServer();
  server.on(signIn, ({ login }) => ({ account: { id: login }, tokens: servedTokens(1), deviceId: "device-1" }));
  return server;
}

test("signing in answers the account, keeps the tokens, and every later call carries them", async () => {
  const server = await startWithSignIn();
  const store = memoryStore();
  const client = impatientClient(server.url, { store });
  const { account } = await client.auth.signIn({ login: "ada", secret: "lovelace" });
  await client.auth.getCurrent();
  expect(account?.id).toBe("ada");
  expect(client.auth.tokens).toMatchObject({ accessToken: "access-1", accountId: "ada", deviceId: "device-1" });
  expect(await store.load()).toEqual(client.auth.tokens);
  expect(bearerOf(server.callsOf(getCurrent)[0])).toBe("access-1");
});

test("calls before signing in go out without a token", async () => {
  const server = await startScriptedServer();
  await impatientClient(server.url).accounts.createAccount({ login: "ada", secret: "lovelace", name: "Ada" });
  expect(bearerOf(server.calls[0])).toBeUndefined();
});

test("SignIn, CompleteSetup, Ping and GetInfo are sent without a token and never renew one that has ended", async () => {
  const server = await startWithSignIn();
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(0, -1)) });
  await client.system.ping();
  await client.system.getInfo();
  await client.auth.completeSetup({ setupToken: "t", login: "ada", secret: "s", name: "Ada" });
  await client.auth.signIn({ login: "ada", secret: "lovelace" });
  expect(server.calls.map((call) => [call.method, bearerOf(call)])).toEqual([
    [SystemService.method.ping.name, undefined],
    [SystemService.method.getInfo.name, undefined],
    [completeSetup.name, undefined],
    [signIn.name, undefined],
  ]);
});

const BY: [string, DescMethod, (auth: AuthClient) => Promise<unknown>][] = [
  ["anonymously", AuthService.method.signInAnonymously, (auth) => auth.signInAnonymously()],
  [
    "with a passkey",
    AuthService.method.finishSignIn,
    (auth) => auth.finishSignIn({ challengeId: "c", credential: {} }),
  ],
  [
    "by an identity provider",
    AuthService.method.finishOAuth,
    (auth) => auth.finishOAuth({ provider: "p", code: "c", state: "s" }),
  ],
];

test.each(BY)("signing in %s keeps the tokens as signIn does, and is sent without one", async (_, method, signInBy) => {
  const server = await startScriptedServer();
  server.on(method as DescMethodUnary, () => ({
    account: { id: "ben" },
    tokens: servedTokens(2),
    deviceId: "device-2",
  }));
  const store = memoryStore(keptTokens(1));
  const client = impatientClient(server.url, { store });
  const events: string[] = [];
  client.auth.onChange(({ event }) => events.push(event));
  await signInBy(client.auth);
  expect(client.auth.tokens).toMatchObject({ accessToken: "access-2", accountId: "ben", deviceId: "device-2" });
  expect(await store.load()).toEqual(client.auth.tokens);
  expect(events).toEqual(["signed_in"]);
  expect(server.calls.map((call) => [call.method, bearerOf(call)])).toEqual([[method.name, undefined]]);
});

test.each(BY)("signing in %s is nothing for a client with a fixed token", async (_, __, signInBy) => {
  const client = impatientClient("http://127.0.0.1:1", { token: "bs_ak_1" });
  expect(await rejection(signInBy(client.auth))).toMatchObject({ reason: "FIXED_TOKEN" });
});

/** A server that knows devices, with what it was shown of them so far. */
async function startWithDevices() {
  const server = await startScriptedServer();
  const shown: string[] = [];
  server.on(signIn, ({ login, deviceToken }) => {
    shown.push(deviceToken);
    return {
      account: { id: login },
      tokens: servedTokens(1),
      deviceId: "device-1",
      deviceToken: `known-${shown.length}`,
    };
  });
  return { server, shown };
}

test("whoever signed in before is known to the server at the next sign-in, also after signing out", async () => {
  const { server, shown } = await startWithDevices();
  const store = memoryStore();
  const client = impatientClient(server.url, { store });
  await client.auth.signIn({ login: "ada", secret: "lovelace" });
  await client.auth.signOut();
  await client.auth.signIn({ login: "ada", secret: "lovelace" });
  await impatientClient(server.url, { store }).auth.signIn({ login: "ada", secret: "lovelace" });
  await client.auth.signIn({ login: "ada", secret: "lovelace", deviceToken: "the app's own" });
  expect(shown).toEqual(["", "known-1", "known-2", "the app's own"]);
});

test("a store that keeps no devices, or fails to, hinders nobody from signing in", async () => {
  const { server, shown } = await startWithDevices();
  const { load, save } = memoryStore();
  const fail = () => Promise.reject(new Error("the key chain is locked"));
  for (const store of [
    { load, save },
    { load, save, loadDevice: fail, saveDevice: fail },
  ]) {
    const client = impatientClient(server.url, { store });
    for (const _ of [1, 2]) await client.auth.signIn({ login: "ada", secret: "lovelace" });
    expect(client.auth.tokens?.accessToken).toBe("access-1");
  }
  expect(shown).toEqual(["", "", "", ""]);
});

test("what is for whoever is not signed in is sent without a token that has ended", async () => {
  const server = await startScriptedServer();
  const { auth } = impatientClient(server.url, { store: memoryStore(keptTokens(0, -1)) });
  await auth.requestSecretReset({ login: "ada" });
  await auth.resetSecret({ login: "ada", code: "12345678", secret: "another" });
  await auth.verify({ email: "ada@example.com", code: "12345678" });
  await auth.beginSignIn();
  expect(server.calls.map((call) => [call.method, bearerOf(call)])).toEqual([
    ["RequestSecretReset", undefined],
    ["ResetSecret", undefined],
    ["Verify", undefined],
    ["BeginSignIn", undefined],
  ]);
});

test("every method of the service can be called", () => {
  const { auth, accounts } = impatientClient("http://127.0.0.1:1");
  for (const [service, client] of [
    [AuthService, auth],
    [AccountService, accounts],
  ] as const) {
    const missing = service.methods.filter(({ localName }) => typeof client[localName as never] !== "function");
    expect(missing.map(({ name }) => name)).toEqual([]);
  }
});

test("signing in with a wrong secret rejects and leaves whoever was signed in", async () => {
  const server = await startScriptedServer();
  server.on(signIn, () => {
    throw refusal(Code.Unauthenticated, "INVALID_CREDENTIALS");
  });
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1)) });
  const error = await rejection(client.auth.signIn({ login: "ada", secret: "wrong" }));
  expect(BackstayError.is(error, "INVALID_CREDENTIALS")).toBe(true);
  expect(client.auth.tokens?.accessToken).toBe("access-1");
});

test("signing out tells the server with the token and forgets it", async () => {
  const server = await startScriptedServer();
  const store = memoryStore(keptTokens(1));
  const client = impatientClient(server.url, { store });
  await client.auth.signOut();
  expect(bearerOf(server.callsOf(signOut)[0])).toBe("access-1");
  expect(client.auth.tokens).toBeUndefined();
  expect(await store.load()).toBeUndefined();
});

test("signing out of a sign-in that the server no longer knows succeeds", async () => {
  const server = await startScriptedServer();
  const refuse = () => {
    throw refusal(Code.Unauthenticated, "INVALID_TOKEN");
  };
  server.on(signOut, refuse);
  server.on(AuthService.method.refresh, refuse);
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1)) });
  const events: string[] = [];
  client.auth.onChange(({ event }) => events.push(event));
  await client.auth.signOut();
  expect(client.auth.tokens).toBeUndefined();
  expect(events).toEqual(["signed_out"]);
});

test("signing out without the server forgets the tokens and rejects, since they still live there", async () => {
  const server = await startScriptedServer();
  server.on(signOut, () => {
    throw unavailable();
  });
  const client = impatientClient(server.url, { store: memoryStore(keptTokens(1)) });
  expect(BackstayError.is(await rejection(client.auth.signOut()), "unavailable")).toBe(true);
  expect(client.auth.tokens).toBeUndefined();
});

test("signing out when nobody is signed in does nothing", async () => {
  const server = await startScriptedServer();
  await impatientClient(server.url).auth.signOut();
  expect(server.calls).toEqual([]);
});

test("onChange tells of signing in, renewing and signing out until it is stopped", async () => {
  const server = await startWithSignIn();
  server.on(AuthService.method.refresh, () => ({ tokens: servedTokens(2) }));
  const client = impatientClient(server.url);
  const events: string[] = [];
  const stop = client.auth.onChange(({ event }) => events.push(event));
  await client.auth.signIn({ login: "ada", secret: "lovelace" });
  await client.auth.refresh();
  await client.auth.signOut();
  stop();
  await client.auth.signIn({ login: "ada", secret: "lovelace" });
  expect(events).toEqual(["signed_in", "refreshed", "signed_out"]);
});

test("a fixed token is sent with every call and never renewed", async () => {
  const server = await startScriptedServer();
  server.on(AccountService.method.getAccount, () => {
    throw refusal(Code.Unauthenticated, "TOKEN_EXPIRED");
  });
  const client = impatientClient(server.url, { token: "bs_ak_1" });
  expect(BackstayError.is(await rejection(client.accounts.getAccount()), "TOKEN_EXPIRED")).toBe(true);
  expect(server.calls.map((call) => [call.method, bearerOf(call)])).toEqual([["GetAccount", "bs_ak_1"]]);
  expect(client.auth.tokens).toBeUndefined();
});

test("a client with a fixed token refuses to sign in and to renew", async () => {
  const server = await startScriptedServer();
  const client = impatientClient(server.url, { token: "bs_ak_1" });
  for (const refused of [client.auth.signIn({ login: "ada", secret: "lovelace" }), client.auth.refresh()]) {
    expect(await rejection(refused)).toMatchObject({ code: "failed_precondition", reason: "FIXED_TOKEN" });
  }
  expect(server.calls).toEqual([]);
});
