import { memoryBus } from "../../server/platform/bus/memory.js";
import type { Database } from "../../server/platform/db/index.js";
import { postgresDatabase } from "../../server/platform/db/postgres.js";
import { type EventCarrier, noCarrier } from "../../server/platform/events/carrier.js";
import { natsCarrier } from "../../server/platform/events/nats.js";
import { relay } from "../../server/platform/events/relay.js";
import type { Log } from "../../server/platform/log.js";
import { natsLink } from "../../server/platform/nats.js";
import type { Node } from "./exercise-event-log.js";

/** How a node of a test reaches NATS. */
export interface NatsTerms {
  url: string;
  prefix: string;
  installation?: string;
  retention?: number;
}

/** Starts an event log over a migrated database, carried by NATS if it is given. */
export async function startEventNode(
  url: string,
  nats?: NatsTerms,
  over: (database: Database) => Database = (database) => database,
): Promise<Node & { carrier: EventCarrier }> {
  const limits = { poolSize: 10, statementTimeout: 5_000, lockTimeout: 2_000, acquireTimeout: 2_000 };
  const database = postgresDatabase({ target: { url }, ...limits });
  const complaints: unknown[] = [];
  const complain = (facts: object, message: string) => complaints.push({ ...facts, message });
  const lines: Log = { debug() {}, info() {}, warn: complain, error: complain, flush() {} };
  const bus = memoryBus((error) => complaints.push(error));
  const link = nats && natsLink({ urls: [nats.url], log: lines });
  const terms = { installation: "0123456789abcdef", retention: 3_600_000, maxBytes: 1 << 28 };
  const carrier = nats && link ? natsCarrier({ link, log: lines, ...terms, ...nats }) : noCarrier;
  const log = relay({ database: over(database), bus, carrier, log: lines });
  await database.start();
  await link?.start();
  await log.start();
  return {
    database,
    log,
    carrier,
    complaints,
    async stop() {
      await log.stop();
      await link?.stop();
      await bus.stop();
      await database.stop();
    },
  };
}
