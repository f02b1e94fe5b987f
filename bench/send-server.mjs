/**
 * Reference 2: a send as one would write it by hand on node:http and postgres.js, one statement for message, counter and
 * outbox. Nobody is asked who he is, nothing is checked or logged, no relay runs. Argument: postgres.js options as JSON;
 * prints its port.
 */
import { randomFillSync } from "node:crypto";
import { createServer } from "node:http";
import postgres from "postgres";

const sql = postgres({ ...JSON.parse(process.argv[2]), prepare: true, onnotice: () => {} });

const random = Buffer.alloc(16);
function uuidV7(at) {
  randomFillSync(random);
  random.writeUIntBE(at, 0, 6);
  random[6] = (random[6] & 0x0f) | 0x70;
  random[8] = (random[8] & 0x3f) | 0x80;
  return random.toString("hex");
}

async function send({ senderId, recipientId, text }) {
  const at = new Date();
  const stamp = at.getTime();
  const id = uuidV7(stamp);
  const message = { id, senderId, recipientId, text, createTime: at.toISOString() };
  const topics = [`account/${recipientId}`, `account/${senderId}`];
  await sql`with counted as (
      insert into backstay.counters as counter (account_id, name, value, stamp)
      values (${recipientId}::uuid, 'msg_count', 1, ${stamp}::bigint)
      on conflict (account_id, name, slot) do update
        set value = counter.value + 1, stamp = greatest(excluded.stamp, counter.stamp + 1)
      returning account_id, stamp
    ), sent as (
      insert into backstay.messages (id, sender_id, recipient_id, mtime, text, created_at)
      select ${id}::uuid, ${senderId}::uuid, account_id, stamp, ${text}::text, ${at}::timestamptz from counted
    )
    insert into backstay.outbox (id, topics, type, actor_id, data, created_at)
    values (${uuidV7(stamp)}::uuid, ${topics}::text[], 'message.add', ${senderId}::uuid, ${sql.json(message)}::jsonb,
      ${at}::timestamptz)`;
  return message;
}

const server = createServer({ keepAliveTimeout: 65_000 }, (req, res) => {
  const chunks = [];
  req.on("data", (chunk) => chunks.push(chunk));
  req.on("end", async () => {
    const answer = { status: 200, body: "" };
    try {
      answer.body = JSON.stringify({ message: await send(JSON.parse(Buffer.concat(chunks).toString())) });
    } catch (error) {
      answer.status = 500;
      answer.body = JSON.stringify({ error: String(error) });
    }
    res.writeHead(answer.status, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(answer.body),
    });
    res.end(answer.body);
  });
});
server.listen(0, "127.0.0.1", () => console.log(`ready ${server.address().port}`));
