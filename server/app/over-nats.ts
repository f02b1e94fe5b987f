import type { Config } from "../config.js";
import { natsBus } from "../platform/bus/nats.js";
import { natsCarrier } from "../platform/events/nats.js";
import type { Log } from "../platform/log.js";
import { natsLink } from "../platform/nats.js";
import { natsQueue } from "../platform/queue/nats.js";
import type { BetweenNodes } from "./between-nodes.js";

/** Everything over one connection to NATS, which is in the configuration. */
export function overNats(
  config: Config,
  installation: string,
  { log, onError }: { log: Log; onError: (error: unknown) => void },
): BetweenNodes {
  const prefix = config["nats.prefix"];
  const link = natsLink({ urls: config["nats.url"].split(","), log });
  const [retention, maxBytes] = [config["events.retention"], config["nats.stream_bytes"]];
  const carrier = natsCarrier({ link, log, prefix, installation, retention, maxBytes });
  const bus = natsBus({ link, prefix, installation, onError });
  const queue = natsQueue({ link, log, prefix, installation });
  const away = () => (bus.isConnected() && carrier.isConnected() ? [] : ["nats"]);
  return { bus, carrier, queue, link, away, describe: link.describe };
}
