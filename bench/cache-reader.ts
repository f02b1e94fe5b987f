/** The other process of `npm run bench -- cache`: says when it no longer holds what the first one drops. */

import { natsBus } from "../server/platform/bus/nats.js";
import { memoryCaches } from "../server/platform/cache/memory.js";
import { createLog } from "../server/platform/log.js";
import { natsLink } from "../server/platform/nats.js";

const link = natsLink({ urls: [process.argv[2]!], log: createLog({ level: "warn" }) });
const bus = natsBus({ link, prefix: "bench", installation: "bench", onError: console.error });
const cache = memoryCaches({ bus, tables: [], named: new Map() }).create<number>("bench", {
  max: 10,
  ttlMs: undefined,
});
await link.start();
await bus.start();

/** Keeps a key, says so, and says when it is gone. */
const hold = (key: string) => {
  cache.put(key, 1);
  process.send!({ held: key });
  const look = () => {
    if (cache.get(key) !== undefined) setImmediate(look);
    else process.send!({ goneAt: Number(process.hrtime.bigint()) });
  };
  look();
};

process.on("message", (key) => hold(key as string));
process.on("disconnect", () => process.exit(0));
process.send!({ ready: true });
