import { onTestFinished, type TestContext } from "vitest";
import { createPresence } from "../../../server/domains/events/index.js";
import { systemClock } from "../../../server/kernel/clock.js";
import { uuidV7Ids } from "../../../server/kernel/ids.js";
import { instanceKey } from "../../../server/kernel/instance-key.js";
import type { Bus } from "../../../server/platform/bus/bus.js";
import { memoryBus } from "../../../server/platform/bus/memory.js";
import { postgresDatabase } from "../../../server/platform/db/postgres.js";
import { noCarrier } from "../../../server/platform/events/carrier.js";
import type { LoggedEvent } from "../../../server/platform/events/index.js";
import { relay } from "../../../server/platform/events/relay.js";
import type { Log } from "../../../server/platform/log.js";

/** The test that something ends with; one that runs beside others says which it is. */
type EndsWith = Pick<TestContext, "onTestFinished">;

/** The ports of one node, without the doors: what an app's code and the streams of a server have in hand. */
export async function startNode(
  url: string,
  options: { bus?: Bus; grace?: number } = {},
  test: EndsWith = { onTestFinished },
) {
  const bus = options.bus ?? sharedBus();
  const limits = { poolSize: 4, statementTimeout: 5_000, lockTimeout: 5_000, acquireTimeout: 500 };
  const database = postgresDatabase({ target: { url }, ...limits });
  const complaints: object[] = [];
  const complain = (facts: object, message: string) => complaints.push({ ...facts, message });
  const log: Log = { debug() {}, info() {}, warn: complain, error: complain, flush() {} };
  const events = relay({ database, bus, carrier: noCarrier, log });
  const ports = { database, events, log, ids: uuidV7Ids(), clock: systemClock };
  const presence = createPresence({ ...ports, grace: options.grace ?? 300 });
  await database.start();
  await events.start();
  await presence.start();
  const stop = async () => {
    await presence.stop();
    await events.stop();
    await database.stop();
  };
  test.onTestFinished(stop);
  return { ...ports, key: instanceKey(Buffer.alloc(32, 7)), presence, complaints, stop };
}

export type TestNode = Awaited<ReturnType<typeof startNode>>;

/** A bus that several nodes share, as by a broker. */
export function sharedBus(): Bus {
  return memoryBus((error) => {
    throw error;
  });
}

/** What the streams of a topic hear at a node, from now on. */
export function heardAt(node: TestNode, topic: string, test: EndsWith = { onTestFinished }): LoggedEvent[] {
  const heard: LoggedEvent[] = [];
  test.onTestFinished(node.events.subscribe(topic, (event) => heard.push(event)));
  return heard;
}
