import type { Config } from "../config.js";

/** Which origins' pages may call, as this installation has it. */
export function pageOrigins(config: Config): { origins: string; development: boolean } {
  return { origins: config["cors.origins"], development: config.development };
}
