import { BackstayError, memoryStore } from "@backstay/client";
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
