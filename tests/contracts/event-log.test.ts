import { afterAll, beforeAll, describe } from "vitest";
import { memoryBus } from "../../server/platform/bus/memory.js";
import { migrate } from "../../server/platform/db/migrate.js";
import { postgresDatabase } from "../../server/platform/db/postgres.js";
import type { LoggedEvent } from "../../server/platform/events/index.js";
import { relay } from "../../server/platform/events/relay.js";
import type { Log } from "../../server/platform/log.js";
import { exerciseEventLog, type Node } from "./exercise-event-log.js";
import { SERVERS, type Server } from "./servers.js";

describe.each(SERVERS)("the event log over %s", (_, open) => {
  let server: Server;
  beforeAll(async () => {
    server = await open();
  });
  afterAll(() => server?.stop());

  exerciseEventLog(async () => {
    const { url, drop } = await server.createDatabase();
    await migrate({ url });
    return { url, close: drop };
  }, startNode);
});

async function startNode(url: string): Promise<Node> {
  const limits = { poolSize: 10, statementTimeout: 5_000, lockTimeout: 2_000, acquireTimeout: 2_000 };
  const database = postgresDatabase({ target: { url }, ...limits });
  const complaints: unknown[] = [];
  const bus = memoryBus((error) => complaints.push(error));
  const log = relay({ database, bus, log: silentLog(complaints) });
  await database.start();
  await log.start();
  return {
    database,
    log,
    complaints,
    listen: (subject, listener) => void bus.subscribe(subject, (message) => listener(message as LoggedEvent)),
    async stop() {
      await log.stop();
      await bus.stop();
      await database.stop();
    },
  };
}

function silentLog(complaints: unknown[]): Log {
  const complain = (facts: object, message: string) => complaints.push({ ...facts, message });
  return { debug() {}, info() {}, warn: complain, error: complain, flush() {} };
}
