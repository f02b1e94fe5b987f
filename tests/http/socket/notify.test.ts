import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, memoryStore } from "@backstay/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createApp, type Started } from "../../../server/app.js";
import { readConfig } from "../../../server/config.js";
import { socketPaths } from "../../../server/kernel/sockets.js";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { startNats, type TestNats } from "../../support/nats.js";
import { openSocket } from "./client.js";

const SECRET = "5e".repeat(32);

/** A node whose app's code the test is. */
interface Node {
  url: string;
  control: Started["control"];
  stop(): Promise<void>;
}

let nats: TestNats;
let first: TestBackstay;
let nodes: Node[];

async function startNode(): Promise<Node> {
  const home = mkdtempSync(join(tmpdir(), "backstay-home-"));
  const sockets = socketPaths();
  sockets.declare("/project/ws", () => undefined);
  const flags = { home, port: "0", secret: SECRET, "nats.url": nats.url, "log.file": join(home, "backstay.log") };
  const settings = { flags: { ...flags, "database.url": first.databaseUrl }, env: {}, cwd: home, development: true };
  const app = createApp(readConfig(settings), { sockets });
  const { url, control } = await app.start();
  const stop = async () => {
    await app.stop();
    rmSync(home, { recursive: true, force: true });
  };
  return { url, control, stop };
}

beforeAll(async () => {
  nats = await startNats();
  first = await startBackstay({ secret: SECRET });
  nodes = await Promise.all([startNode(), startNode()]);
});
afterAll(async () => {
  await Promise.all((nodes ?? []).map((node) => node.stop()));
  await first?.stop();
  await nats?.stop();
});

const bearer = ({ token }: { token: string }) => ({ authorization: `Bearer ${token}` });

describe("what an app sends by notify", () => {
  it("reaches the sockets of an account on every node, as it was given, and nobody else's", async () => {
    const [ada, ben] = [await first.signUp(), await first.signUp()];
    const open = nodes.flatMap(({ url }) => [ada, ben].map((person) => openSocket(url, { headers: bearer(person) })));
    const [hers, his, hersToo, hisToo] = await Promise.all(open);
    nodes[0]!.control.notify({ accountId: ada.id }, { op: "news", nested: { ü: [1, null] } });
    for (const socket of [hers, hersToo]) {
      expect(await socket!.next()).toEqual({ op: "news", nested: { ü: [1, null] } });
    }
    const dashed = ben.id.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
    nodes[1]!.control.notify({ accountId: dashed }, { last: true });
    for (const socket of [his, hisToo]) expect(await socket!.next()).toEqual({ last: true });
  });

  it("reaches those whose query, path and account are all meant", async () => {
    const ada = await first.signUp();
    const [one, two] = [nodes[0]!.url, nodes[1]!.url];
    const seven = await openSocket(one, { path: "/project/ws?room=7&kind=a", headers: bearer(ada) });
    const sevenToo = await openSocket(two, { path: "/project/ws?room=7&kind=b" });
    const eight = await openSocket(two, { path: "/project/ws?room=8" });
    const other = await openSocket(one, { path: "/ws?room=7" });
    const { control } = nodes[0]!;
    control.notify({ query: { room: "7" }, path: "/project/ws" }, { to: "room 7" });
    expect(await seven.next()).toEqual({ to: "room 7" });
    expect(await sevenToo.next()).toEqual({ to: "room 7" });
    control.notify({ query: { room: "7", kind: "a" } }, { to: "kind a" });
    expect(await seven.next()).toEqual({ to: "kind a" });
    control.notify({ accountId: ada.id, query: { room: "8" } }, { to: "nobody" });
    control.notify({ query: { room: "7", constructor: "x" } }, { to: "nobody" });
    expect(() => control.notify({}, { to: "all" })).toThrow(TypeError);
    const account: Partial<typeof ada> = {};
    expect(() => control.notify({ accountId: account.id! }, { to: "an account" })).toThrow(TypeError);
    control.notify({ everyone: true }, { to: "all" });
    for (const socket of [seven, sevenToo, eight, other]) expect(await socket.next()).toEqual({ to: "all" });
  });

  it("finds a socket as the account's that it has become, and no longer when it is closed", async () => {
    const ada = await first.signUp();
    const socket = await openSocket(nodes[0]!.url);
    await socket.ask({ op: "auth", token: ada.token });
    await socket.ask({ op: "auth", token: ada.token });
    nodes[1]!.control.notify({ accountId: ada.id }, { n: 1 });
    nodes[1]!.control.notify({ accountId: ada.id }, { n: 2 });
    expect([await socket.next(), await socket.next()]).toEqual([{ n: 1 }, { n: 2 }]);
    socket.ws.close();
    await socket.closed();
    nodes[0]!.control.notify({ accountId: ada.id }, { n: 3 });
    const again = await openSocket(nodes[0]!.url, { headers: bearer(ada) });
    nodes[0]!.control.notify({ accountId: ada.id }, { n: 4 });
    expect(await again.next()).toEqual({ n: 4 });
  });

  it("closes a socket that takes none of it, and that one alone", async () => {
    const ada = await first.signUp();
    const slow = await openSocket(nodes[0]!.url, { path: "/project/ws?who=slow", headers: bearer(ada) });
    const quick = await openSocket(nodes[0]!.url, { path: "/project/ws?who=quick", headers: bearer(ada) });
    slow.ws.pause();
    const text = "x".repeat(100_000);
    for (let n = 0; n < 200; n++) {
      nodes[0]!.control.notify({ accountId: ada.id }, { n, text });
      expect((await quick.next()).n).toBe(n);
    }
    slow.ws.resume();
    expect(await slow.closed()).toMatchObject({ code: 1013 });
    expect(await quick.ask("/v1/ping")).toMatchObject({ status: 200 });
  });
});

describe("on several nodes", () => {
  it("an event published by a socket of one is told to the subscription of a socket of the other", async () => {
    const ada = await first.signUp();
    const [one, two] = await Promise.all(nodes.map(({ url }) => openSocket(url, { headers: bearer(ada) })));
    await two!.ask({ op: "subscribe", id: "s", types: ["chat.*"] });
    const { event } = await one!.ask({ op: "publish", type: "chat.line", data: { text: "over there" } });
    await two!.find({ op: "event" });
    expect(await two!.find({ op: "event" })).toMatchObject({ id: "s", event: { id: event.id, data: event.data } });
  });

  it("a sign-out at one closes the sockets of the other within a second", async () => {
    const ada = await first.signUp();
    const socket = await openSocket(nodes[1]!.url, { headers: bearer(ada) });
    await createClient(nodes[0]!.url, { token: ada.token, store: memoryStore() }).auth.signOut();
    expect(await socket.closed(1_000)).toEqual({ code: 4401, reason: "TOKEN_REVOKED" });
  });

  it("somebody is there while a socket of his is open on any", async () => {
    const [ada, ben] = [await first.signUp(), await first.signUp()];
    const present = async () =>
      (await ben.client.events.listPresence({ accountIds: [ada.id] })).presences.map(({ accountId }) => accountId);
    expect(await present()).toEqual([]);
    const socket = await openSocket(nodes[1]!.url, { headers: bearer(ada) });
    await expect.poll(present, { timeout: 5_000 }).toEqual([ada.id]);
    socket.ws.close();
    // He is still there for the grace of ten seconds.
    await expect.poll(present, { timeout: 15_000 }).toEqual([]);
  }, 30_000);
});
