import { existsSync } from "node:fs";
import { keysOf, previousFile } from "../app/key-change.js";
import type { Config } from "../config.js";
import { countLeft, type KeyStatus, serverAt, serverOf } from "./key-server.js";
import { keyElsewhere, urlElsewhere } from "./operator.js";
import { visible, visibleJson } from "./visible.js";

interface Flags {
  url?: string;
  key: string | undefined;
  json?: true;
}

/** Shows how far the change of the instance key is: as the running server says, or as far as the home tells without one. */
export async function showKeyStatus(config: Config, flags: Flags): Promise<void> {
  const status = await ask(config, flags);
  if (flags.json) {
    console.log(visibleJson(status));
    return;
  }
  const { current, previous, left } = status;
  console.log(visible(`current   ${current}`));
  console.log(visible(`previous  ${previous.length === 0 ? "none" : previous.join(" ")}`));
  for (const [column, count] of Object.entries(left ?? {})) console.log(visible(`left      ${count} in ${column}`));
  console.log(verdict(status, flags.url === undefined ? previousFile(config.home) : undefined));
}

type Shown = Omit<KeyStatus, "left" | "previousMayGo"> & {
  running: boolean;
  /** Unknown while no server runs. */
  left?: KeyStatus["left"];
  previousMayGo?: boolean;
};

async function ask(config: Config, { url, key }: Flags): Promise<Shown> {
  const server = url === undefined ? serverOf(config.home) : serverAt(urlElsewhere(url), keyElsewhere(key));
  if (server !== undefined) return { running: true, ...(await server.status()) };
  const keys = keysOf(config);
  if (keys === undefined) throw new Error(`${config.home} has no instance key: one is made at the first start`);
  return { running: false, current: keys.current, previous: [...keys.previous] };
}

function verdict(status: Shown, file: string | undefined): string {
  const { previous, left = {}, previousMayGo } = status;
  if (previousMayGo === undefined) return "no server runs here: what is left is known to a server that runs";
  if (!previousMayGo) return "the previous key is still needed; the server seals anew what is under it";
  const lost = countLeft(left);
  const lostToo = lost === 0 ? "" : `; ${lost} sealed values are opened by no key, the log names their rows`;
  if (previous.length === 0) return `everything is sealed under the current key${lostToo}`;
  const where = file !== undefined && existsSync(file) ? file : "the previous key";
  return `everything is sealed under the current key: ${where} may go, and is taken no more from the next start on${lostToo}`;
}
