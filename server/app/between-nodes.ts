import type { Config } from "../config.js";
import type { Bus } from "../platform/bus/bus.js";
import { ipcBus, type Peer } from "../platform/bus/ipc.js";
import { memoryBus } from "../platform/bus/memory.js";
import { busCarrier, type EventCarrier, noCarrier } from "../platform/events/carrier.js";
import type { Link } from "../platform/link.js";
import { describeError, type Log } from "../platform/log.js";
import { postgresQueue } from "../platform/queue/postgres.js";
import type { Queue } from "../platform/queue/queue.js";

/** What carries notices and events to the other processes of this installation. */
export interface BetweenNodes {
  readonly bus: Bus;
  readonly carrier: EventCarrier;
  readonly queue: Queue;
  /** The connection under both, when there is one. */
  readonly link?: Pick<Link<unknown>, "start" | "stop">;
  /** What is away, by name. */
  readonly away: () => string[];
  /** What it is, in words. */
  readonly describe: () => string;
}

/** Chooses it by the configuration, and by whether this process is one of several workers. */
export async function betweenNodes(
  config: Config,
  installation: string,
  worker: { readonly number: number } | undefined,
  log: Log,
): Promise<BetweenNodes> {
  const onError = (error: unknown) => log.error(describeError(error), "bus listener failed");
  if (config["nats.url"] !== "") {
    // Most installations are of one node, and are spared the driver.
    const { overNats } = await import("./over-nats.js");
    return overNats(config, installation, { log, onError });
  }
  const away = () => [];
  if (worker === undefined) {
    const bus = memoryBus(onError);
    return { bus, carrier: noCarrier, queue: postgresQueue({ bus }), away, describe: () => "in-process" };
  }
  const bus = ipcBus(process as Peer, onError);
  const carrier = busCarrier(bus, String(worker.number));
  return { bus, carrier, queue: postgresQueue({ bus }), away, describe: () => "between the workers of this machine" };
}
