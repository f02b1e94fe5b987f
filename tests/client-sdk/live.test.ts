import { readFileSync } from "node:fs";
import { type ClientOptions, createClient, type Event, memoryStore, type SubscriptionStatus } from "@backstay/client";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { declaredTopics } from "../../server/kernel/declared-topics.js";
import { socketPaths } from "../../server/kernel/sockets.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";
import { rejection } from "./support/client.js";
import { startBalancer, startBufferingProxy } from "./support/proxies.js";
import { createQueue } from "./support/queue.js";

/** What an app would have declared. */
function appDeclares() {
  const topics = declaredTopics();
  topics.declare("room/{id}", { subscribe: true, publish: true, presence: true });
  topics.declare("vault/{id}", { subscribe: ({ accountId }, { id }) => accountId === id });
  const sockets = socketPaths();
  sockets.declare("/project/ws", (frame, socket) => {
    if (frame.op === "/project/notify") socket.send({ op: "/project/news", query: socket.query });
    if (frame.op === "/project/end") socket.close(1000);
    return frame.op === "/project/update" ? { project: frame.project, by: socket.accountId } : undefined;
  });
  return { topics, sockets };
}

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: appDeclares() });
  [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
});
afterAll(() => backstay?.stop());

/** A client of a person, by a device of its own. */
async function clientOf({ login, secret }: Person, options: ClientOptions = {}, url = backstay.url) {
  const client = createClient(url, { webSocket: WebSocket, ...options });
  await client.auth.signIn({ login, secret });
  return client;
}

/** Follows with a queue of what comes; it is live when this resolves. */
async function follow(client: Person["client"], types: string, options: Parameters<typeof client.events.on>[2] = {}) {
  const events = createQueue<Event>();
  const statuses: SubscriptionStatus[] = [];
  const live = createQueue<true>();
  const onStatus = (status: SubscriptionStatus) => {
    statuses.push(status);
    if (status.status === "live") live.push(true);
  };
  const listening = client.events.on(types, events.push, { ...options, onStatus });
  onTestFinished(() => listening.close());
  await live.take();
  return { events, statuses, listening };
}

const until = (time: number) => new Promise((resolve) => setTimeout(resolve, time - Date.now()));
const texts = async (events: { take(): Promise<Event> }, count: number) => {
  const got: unknown[] = [];
  while (got.length < count) got.push((await events.take()).data?.text);
  return got;
};
const numbered = (count: number) => Array.from({ length: count }, (_, n) => String(n));

describe.each(["stream", "socket"] as const)("by %s", (live) => {
  it("hands out what is said in a topic, durable and of the moment, and who comes and goes", async () => {
    const client = await clientOf(ada, { live });
    const topic = `room/${live}`;
    const { events, listening } = await follow(client, "*", { topics: [topic], presence: { mood: "calm" } });
    expect(await events.take()).toMatchObject({ type: "presence.join", cursor: "" });

    await ben.client.events.publish({ topic, type: "chat.line", data: { text: "Hello" } });
    const durable = await events.take();
    expect(durable).toMatchObject({ type: "chat.line", topic, actorId: ben.id, data: { text: "Hello" } });
    await ben.client.events.publish({ topic, type: "chat.typing", data: { text: "H" }, ephemeral: true });
    expect(await events.take()).toMatchObject({ type: "chat.typing", cursor: "", data: { text: "H" } });
    expect(listening.cursor).toBe(durable.cursor);

    const { presences } = await ben.client.events.listPresence({ topic });
    expect(presences).toMatchObject([{ accountId: ada.id, data: { mood: "calm" } }]);
  });

  it("hands out only what matches", async () => {
    const { events } = await follow(await clientOf(ben, { live }), "*", { match: '"path":"/chat/l[io]ne"' });
    for (const type of ["chat.typing", "chat.line", "chat.lane", "chat.lone"])
      await ben.client.events.publish({ type, data: {} });
    expect([(await events.take()).type, (await events.take()).type]).toEqual(["chat.line", "chat.lone"]);
  });

  it("is refused a topic whose rule says no, with the reason", async () => {
    const client = await clientOf(ben, { live });
    const next = client.events.subscribe({ topics: [`vault/${ada.id}`] }).next();
    expect(await rejection(next)).toMatchObject({ code: "permission_denied", reason: "TOPIC_FORBIDDEN" });
    const bad = client.events.subscribe({ match: "(" }).next();
    expect(await rejection(bad)).toMatchObject({ code: "invalid_argument", reason: "INVALID_PATTERN" });
  });

  it("ends within a second when the sign-in is revoked elsewhere", async () => {
    const client = await clientOf(ada, { live });
    const events = client.events.subscribe();
    await events.ready();
    const next = rejection(events.next());
    const elsewhere = createClient(backstay.url, { token: client.auth.tokens!.accessToken });
    await elsewhere.auth.signOut();
    expect(await next).toMatchObject({ code: "unauthenticated" });
    expect(client.auth.tokens).toBeUndefined();
  });
});

it("poll answers what came since the cursor", async () => {
  const begun = await ben.client.events.poll({ afterCursor: "earliest", wait: { nanos: 1 }, gather: { nanos: 1 } });
  await ada.client.messages.sendMessage({ recipientId: ben.id, text: "polled" });
  const { events } = await ben.client.events.poll({ afterCursor: begun.cursor, gather: { nanos: 1 } });
  expect(events.at(-1)?.data?.text).toBe("polled");
});

it("behind a proxy that keeps answers until they are whole, the subscription goes on by WebSocket", async () => {
  const client = await clientOf(ben, {}, await startBufferingProxy(backstay.url));
  const { events, statuses } = await follow(client, "message.add");
  await ada.client.messages.sendMessage({ recipientId: ben.id, text: "through the proxy" });
  expect((await events.take()).data?.text).toBe("through the proxy");
  expect(statuses.map(({ status }) => status)).toEqual(["connecting", "live"]);
});

it("client.socket asks by URL and by object, as whoever is signed in, and hears from the app", async () => {
  const client = await clientOf(ada);
  const messages = createQueue<object>();
  const socket = client.socket("/project/ws", { query: { room: "7" }, onMessage: messages.push });
  onTestFinished(() => socket.close());
  expect(await socket.request("/v1/ping")).toMatchObject({ op: "/v1/ping", status: 200 });
  const { id } = (await client.auth.getCurrent()).account!;
  const mine = await socket.request("/v1/accounts/me");
  expect(mine).toMatchObject({ status: 200, account: { id } });
  expect(await rejection(socket.request("/v1/accounts/nobody"))).toMatchObject({ code: "not_found" });
  const project = { id: 1, name: "Test2" };
  expect(await socket.request({ op: "/project/update", project })).toMatchObject({ project, by: ada.id });
  socket.send({ op: "/project/notify" });
  expect(await messages.take()).toEqual({ op: "/project/news", query: { room: "7" } });
});

it("client.socket becomes somebody's by signing in, is over with the sign-in, and when the app says so", async () => {
  const client = createClient(backstay.url, { webSocket: WebSocket });
  const statuses = createQueue<SubscriptionStatus>();
  const closed = async () => {
    let next = await statuses.take();
    while (next.status !== "closed") next = await statuses.take();
    return next;
  };
  const socket = client.socket("/project/ws", { onStatus: statuses.push });
  expect((await rejection(socket.request("/v1/accounts/me"))) as Error).toMatchObject({ code: "unauthenticated" });
  await client.auth.signIn({ login: ada.login, secret: ada.secret });
  expect(await socket.request("/v1/accounts/me")).toMatchObject({ account: { id: ada.id } });
  await createClient(backstay.url, { token: client.auth.tokens!.accessToken }).auth.signOut();
  expect((await closed()).error?.code).toBe("unauthenticated");

  const other = client.socket("/project/ws", { onStatus: statuses.push });
  other.send({ op: "/project/end" });
  expect(await closed()).toEqual({ status: "closed" });
});

it("a token that has ended is renewed, and the subscription goes on where it was", async () => {
  const short = await startBackstay({ "auth.access_ttl": "1s" });
  onTestFinished(() => short.stop());
  const [ada, ben] = [await short.signUp(), await short.signUp()];
  for (const live of ["stream", "socket"] as const) {
    const client = await clientOf(ben, { live, reconnect: { minDelayMs: 1, maxDelayMs: 4 } }, short.url);
    const { events, statuses } = await follow(client, "message.add");
    const changes = createQueue<string>();
    const stop = client.auth.onChange(({ event }) => changes.push(event));
    expect(await changes.take()).toBe("refreshed");
    stop();
    await ada.client.auth.refresh();
    await ada.client.messages.sendMessage({ recipientId: ben.id, text: live });
    expect((await events.take()).data?.text).toBe(live);
    expect(statuses.map(({ status }) => status)).not.toContain("closed");
  }
});

it("a token that is about to end is renewed and told on the same socket, which outlives it", async () => {
  const short = await startBackstay({ "auth.access_ttl": "4s" });
  onTestFinished(() => short.stop());
  const ben = await short.signUp();
  const begun = Date.now();
  const { tokens } = (await clientOf(ben, {}, short.url)).auth;
  // The client takes the token to end in half a minute, which is when it renews.
  await until(begun + 2_000);
  const store = memoryStore({ ...tokens!, accessExpiresAt: Date.now() + 30_200 });
  const client = createClient(short.url, { webSocket: WebSocket, store });
  const statuses: string[] = [];
  const socket = client.socket("/ws", { onStatus: ({ status }) => statuses.push(status) });
  onTestFinished(() => socket.close());
  await until(begun + 5_000);
  expect(await socket.request("/v1/accounts/me")).toMatchObject({ account: { id: ben.id } });
  expect(statuses).toEqual(["connecting", "live"]);
});

it("over a deploy, and a broken line, no event is lost or doubled, by either way, and goodbye shows no error", async () => {
  const secret = readFileSync(`${backstay.home}/etc/secret`, "utf8").trim();
  const settings = { "database.url": backstay.databaseUrl, secret };
  const old = await startBackstay(settings);
  const fresh = await startBackstay(settings);
  onTestFinished(() => fresh.stop());
  const balancer = await startBalancer(old.url);
  const ways = await Promise.all(
    (["stream", "socket"] as const).map(async (live) => {
      const options = { live, reconnect: { minDelayMs: 10, maxDelayMs: 100 } };
      return follow(await clientOf(ben, options, balancer.url), "message.add");
    }),
  );
  const send = (text: string) => ada.client.messages.sendMessage({ recipientId: ben.id, text });
  for (const text of numbered(60)) {
    await send(text);
    if (text !== "20") continue;
    balancer.turnTo(fresh.url);
    old.stop().then(() => balancer.cut());
  }
  for (const { events, statuses } of ways) {
    expect(await texts(events, 60)).toEqual(numbered(60));
    const [first] = statuses.filter(({ status }) => status === "reconnecting");
    expect(first).toBeDefined();
    expect(first?.error).toBeUndefined();
  }
});
