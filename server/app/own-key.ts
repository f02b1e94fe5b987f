import type { Config } from "../config.js";
import { type InstanceKey, instanceKey } from "../kernel/instance-key.js";
import type { Home } from "../platform/home.js";
import { homeKey } from "../platform/home-key.js";

/**
 * The instance key: that of the configuration, which stays for as long as the process lives, or that of the home, which may turn;
 * `onError` hears why it cannot.
 */
export function ownKey(config: Config, home: Home, onError: (error: unknown) => void): InstanceKey {
  if (config.secret === "") return homeKey(home, onError);
  const previous = config.secret_previous === "" ? [] : config.secret_previous.split(",");
  return instanceKey(
    Buffer.from(config.secret, "hex"),
    previous.map((secret) => Buffer.from(secret, "hex")),
  );
}
