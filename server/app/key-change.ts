import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config.js";
import { openHome } from "../platform/home.js";
import { draftSecret, rotateSecret } from "../platform/home-key.js";
import { ownKey } from "./own-key.js";

export { readAdminToken, readRunning } from "../platform/home.js";
export { NotRotated, previousFile } from "../platform/home-key.js";

/** The fingerprints of the keys that this configuration, or the home it names, has; undefined when there is none yet. */
export function keysOf(config: Config): { current: string; previous: readonly string[] } | undefined {
  if (config.secret === "" && !existsSync(join(config.home, "etc", "secret"))) return undefined;
  const { fingerprint, previous } = ownKey(config, openHome(config.home), () => {});
  return { current: fingerprint, previous };
}

/** Gives the home of a configuration a new key. Throws NotRotated while one from an earlier time is there. */
export function rotateHome(config: Config): void {
  rotateSecret(openHome(config.home));
}

/** Draws a key for several servers into a file of the home, and answers where; one that is there already is left. */
export function draftKey(config: Config): string {
  return draftSecret(openHome(config.home));
}
