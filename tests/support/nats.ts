import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type StreamAPI } from "nats";
import { type NatsServer, startNatsServer } from "../../server/cli/nats-server.js";

/** A NATS server for tests, private to them. NATS_SERVER_BIN names another program than the machine's. */
export interface TestNats extends NatsServer {
  /** Removes what JetStream has stored; only while it does not run. */
  wipe(): Promise<void>;
}

/** Starts a NATS server whose store goes when it is stopped. `flags` are more flags of the program. */
export async function startNats(flags: string[] = []): Promise<TestNats> {
  const storeDir = await mkdtemp(join(tmpdir(), "backstay-nats-"));
  const server = await startNatsServer({ storeDir, flags });
  const wipe = () => rm(storeDir, { recursive: true, force: true });
  return {
    url: server.url,
    port: server.port,
    get pid() {
      return server.pid;
    },
    kill9: server.kill9,
    start: server.start,
    wipe,
    async stop() {
      await server.stop();
      await wipe();
    },
  };
}

/** A message of a stream. */
export interface Stored {
  subject: string;
  /** Its `Nats-Msg-Id`. */
  id: string;
  data: string;
}

/** Does something with the streams of a server. */
export async function withStreams<Answer>(url: string, work: (streams: StreamAPI) => Promise<Answer>): Promise<Answer> {
  const connection = await connect({ servers: [url] });
  try {
    return await work((await connection.jetstreamManager()).streams);
  } finally {
    await connection.close();
  }
}

/** Reads a stream from its first message to its last; nothing when there is no such stream. */
export function readStream(url: string, name: string): Promise<Stored[]> {
  return withStreams(url, async (streams) => {
    const info = await streams.info(name).catch(() => undefined);
    const stored: Stored[] = [];
    if (info === undefined || info.state.messages === 0) return stored;
    const { first_seq: first, last_seq: last } = info.state;
    for (let begin = first; begin <= last; begin += 500) {
      const seqs = Array.from({ length: Math.min(500, last - begin + 1) }, (_, n) => begin + n);
      const messages = await Promise.all(seqs.map((seq) => streams.getMessage(name, { seq })));
      for (const one of messages) {
        stored.push({ subject: one.subject, id: one.header.get("Nats-Msg-Id"), data: one.string() });
      }
    }
    return stored;
  });
}
