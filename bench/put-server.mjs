/**
 * Reference of PutConnection: as one would write it by hand on node:http and postgres.js, one statement for the connection, both
 * counters and the outbox. Nobody is asked who he is, nothing is checked or logged, no relay runs. Argument: postgres.js options as
 * JSON; prints its port.
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

async function put({ accountId, peerId, type, properties = {} }) {
  const at = new Date();
  const id = uuidV7(at.getTime());
  const time = at.toISOString();
  const event = { peerId: accountId, type, properties, createTime: time, updateTime: time };
  const [made] = await sql`with peer as (
      select id from backstay.accounts where id = ${peerId}::uuid and not exists (
        select 1 from backstay.blocks where account_id = ${peerId}::uuid and peer_id = ${accountId}::uuid)
    ), put as (
      insert into backstay.connections
        (account_id, type, peer_id, id, reference_id, properties, created_at, updated_at)
      select ${accountId}::uuid, ${type}::text, id, ${id}::uuid, ${id}::uuid, ${sql.json(properties)}::jsonb,
        ${at}::timestamptz, ${at}::timestamptz
      from peer
      on conflict (account_id, type, peer_id) do update
        set properties = excluded.properties, updated_at = excluded.updated_at
      returning account_id, type, peer_id, created_at, xmax = 0 as is_new
    ), counted as (
      insert into backstay.counters as counter (account_id, name, value)
      select account_id, type || '0', 1 from put where is_new union all select peer_id, type || '1', 1 from put where is_new
      on conflict (account_id, name, slot) do update set value = counter.value + 1
    ), told as (
      insert into backstay.outbox (id, topics, type, actor_id, data, created_at)
      select ${uuidV7(at.getTime())}::uuid, ${[`account/${peerId}`]}::text[],
        case when is_new then 'connection.add' else 'connection.update' end, account_id,
        ${sql.json(event)}::jsonb, ${at}::timestamptz
      from put
    )
    select created_at, exists (
      select 1 from backstay.connections other where other.account_id = put.peer_id and other.type = put.type
        and other.peer_id = put.account_id and other.reference_id is not null) as connected
    from put`;
  if (made === undefined) throw new Error("no such account");
  const { connected } = made;
  return { connection: { ...event, peerId, createTime: made.created_at.toISOString() }, connected };
}

const server = createServer({ keepAliveTimeout: 65_000 }, (req, res) => {
  const chunks = [];
  req.on("data", (chunk) => chunks.push(chunk));
  req.on("end", async () => {
    const answer = { status: 200, body: "" };
    try {
      answer.body = JSON.stringify(await put(JSON.parse(Buffer.concat(chunks).toString())));
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
