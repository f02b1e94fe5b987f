import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type NatsError, type StreamAPI } from "nats";
import { freePort } from "../../server/cli/free-port.js";
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

/** Starts three servers that keep streams together; `url` is of one of them. */
export async function startNatsCluster(): Promise<Pick<TestNats, "url" | "stop">> {
  const ports = await Promise.all([freePort(), freePort(), freePort()]);
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`);
  const nodes = await Promise.all(
    routes.map(async (route, n) => {
      const name = join(tmpdir(), `backstay-nats-${process.pid}-${n}.conf`);
      await writeFile(name, `server_name: n${n}`);
      const flags = ["-c", name, "--cluster", route, "--cluster_name", "test", "--routes", routes.join(",")];
      const server = await startNats(flags);
      return { ...server, stop: async () => void (await Promise.all([server.stop(), rm(name)])) };
    }),
  );
  return { url: nodes[0]!.url, stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))) };
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

const NO_MESSAGE_FOUND = 10_037;

function passOver(code: number): (error: NatsError) => undefined {
  return (error) => {
    if (error.api_error?.err_code !== code) throw error;
  };
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
      // Where one was removed there is none.
      const read = (seq: number) => streams.getMessage(name, { seq }).catch(passOver(NO_MESSAGE_FOUND));
      for (const one of await Promise.all(seqs.map(read))) {
        if (one === undefined) continue;
        stored.push({ subject: one.subject, id: one.header.get("Nats-Msg-Id"), data: one.string() });
      }
    }
    return stored;
  });
}
