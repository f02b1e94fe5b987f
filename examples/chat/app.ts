import { backend } from "backstay";

// A chat of rooms. A line is a durable event: who was away reads it later. Writing one needs no code of ours, only a rule.

const app = backend();

/** Who is kept out of which room. A real app asks its database. */
const banned = new Set();

app.topic("room/{id}", {
  subscribe: ({ accountId }, { id }) => !banned.has(`${id} ${accountId}`),
  publish: ({ accountId }, { id }) => !banned.has(`${id} ${accountId}`),
  presence: true,
});

// A line beside the rooms: `wave` greets everybody who is connected to it, and an administrator's `ban` closes a room to
// somebody at once.
app.ws("/chat/ws", async ({ op, room, accountId }, socket) => {
  if (op === "wave") {
    app.notify({ path: "/chat/ws" }, { op: "waved", by: socket.accountId ?? "somebody" });
    return { status: 200 };
  }
  if (op === "ban" && socket.roles.includes("admin")) {
    banned.add(`${room} ${accountId}`);
    app.recheck(`room/${room}`);
    const { id } = await app.publish({ topic: `room/${room}`, type: "chat.banned", data: { accountId } });
    return { status: 200, eventId: id };
  }
  return { status: 400, message: "wave, or ban as an administrator" };
});

await app.start();
