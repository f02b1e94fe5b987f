// Walks through the chat: node try.mjs URL SETUP_TOKEN (of the setup link that the server printed).
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, memoryStore } from "@backstay/client";

const [, , url, setupToken] = process.argv;
// Node 20 has no WebSocket of its own.
const webSocket = globalThis.WebSocket ?? (await import("ws")).WebSocket;
const say = (what, facts) => process.stdout.write(`${JSON.stringify({ what, ...facts })}\n`);

async function signUp(name) {
  const client = createClient(url, { store: memoryStore(), webSocket });
  const login = `${name.toLowerCase()}-${Date.now()}`;
  await client.accounts.createAccount({ login, secret: `a secret of ${login}`, name });
  const { account } = await client.auth.signIn({ login, secret: `a secret of ${login}` });
  return { client, id: account.id };
}

const [ada, ben] = [await signUp("Ada"), await signUp("Ben")];

// Ada is in the room, and is seen there.
const room = ada.client.events.subscribe({ topics: ["room/lobby"], presence: { mood: "curious" } });
await room.ready();
const isThere = async () => {
  const { presences } = await ben.client.events.listPresence({ topic: "room/lobby" });
  return presences.some(({ accountId, data }) => accountId === ada.id && data.mood === "curious");
};
// Who comes is told at once, and listed a moment later.
for (let tries = 0; tries < 50 && !(await isThere()); tries++) await sleep(100);
say("present", { ada: await isThere() });

// What Ben writes reaches her.
await ben.client.events.publish({ topic: "room/lobby", type: "chat.line", data: { text: "Hello Ada" } });
const next = async (type) => {
  for (;;) {
    const { value, done } = await room.next();
    if (done || value.type === type) return value;
  }
};
say("line", { text: (await next("chat.line")).data.text });

// Both are connected to the line beside it; Ben waves.
const waved = new Promise((resolve) => {
  ada.client.socket("/chat/ws", { onMessage: resolve });
});
const line = ben.client.socket("/chat/ws");
const wave = setInterval(() => line.send({ op: "wave" }), 200);
say("waved", { byBen: (await waved).by === ben.id });
clearInterval(wave);
say("refused", {
  status: (await line.request({ op: "ban", room: "lobby", accountId: ada.id }).catch((e) => e)).status,
});

// The administrator closes the room to Ada: her stream ends, and she gets no other.
const admin = createClient(url, { store: memoryStore(), webSocket });
const boss = { login: `boss-${Date.now()}`, secret: "a secret of the boss" };
await admin.auth.completeSetup({ setupToken, ...boss, name: "Boss" });
await admin.auth.signIn(boss);
const { eventId } = await admin.socket("/chat/ws").request({ op: "ban", room: "lobby", accountId: ada.id });
say("banned", { eventId: typeof eventId });
const ended = await next("never").catch((error) => error);
say("ended", { reason: ended?.reason });
process.exit();
