import { setTimeout as sleep } from "node:timers/promises";
import { draftKey, keysOf, NotRotated, previousFile, rotateHome } from "../app/key-change.js";
import { type Config, envOf } from "../config.js";
import { countLeft, type KeyServer, type KeyStatus, serverOf } from "./key-server.js";

const LOOK_EVERY_MS = 200;

/** Gives a home a new instance key. When a server runs on it, waits until that has sealed everything under it. */
export async function rotateMaster(config: Config): Promise<void> {
  if (config.secret !== "") refuseGiven(config);
  const before = keysOf(config);
  if (before === undefined) throw new Error(`${config.home} has no instance key: one is made at the first start`);
  const server = serverOf(config.home);
  const said = await server?.status();
  if (said !== undefined && said.current !== before.current) {
    throw new Error(
      `the server at ${server?.url} does not have its key from ${config.home}/etc/secret: change it where it gets it from`,
    );
  }
  try {
    rotateHome(config);
  } catch (error) {
    throw error instanceof NotRotated ? new Error(unfinished(error, config, said)) : error;
  }
  const { current } = keysOf(config)!;
  const previous = previousFile(config.home);
  console.log(`the instance key is now ${current}; the one before, ${before.current}, stands in ${previous}`);
  if (server === undefined) {
    console.log("start the server, which seals everything anew; `backstay key status` says when that file may go");
    return;
  }
  const done = await sealed(server, current);
  const lost = countLeft(done.left);
  if (lost > 0) console.log(`${lost} sealed values are opened by no key: the server's log names their rows`);
  console.log(
    `everything is sealed under the new key: ${previous} may go, and is taken no more from the next start on`,
  );
}

/** Waits until nothing needs a previous key. Whoever goes away meanwhile misses nothing but the news. */
async function sealed(server: KeyServer, current: string): Promise<KeyStatus> {
  console.error("the server seals everything anew; it goes on by itself if you leave");
  await server.reseal();
  for (let told: number | undefined; ; await sleep(LOOK_EVERY_MS)) {
    const status = await server.status();
    if (status.current === current && status.previousMayGo) return status;
    const left = countLeft(status.left);
    if (left !== told) console.error(`${left} sealed values are left`);
    told = left;
  }
}

/** Why a key is not changed that has not yet taken the place of the one before. */
function unfinished({ message }: NotRotated, config: Config, status: KeyStatus | undefined): string {
  const nothing = "nothing was changed";
  if (status === undefined) {
    return `${message}; ${nothing}: start the server, and remove that file when \`backstay key status\` says so`;
  }
  if (!status.previousMayGo) {
    return `${message}, and ${countLeft(status.left)} sealed values still need it; ${nothing}: wait until they do not`;
  }
  return `${message}; ${nothing}: it is needed no more, so remove ${previousFile(config.home)} and try again`;
}

/** A key that stands in settings is changed there; what is said never shows one. */
function refuseGiven(config: Config): never {
  const file = draftKey(config);
  const [secret, previous] = [envOf("secret"), envOf("secret_previous")];
  const steps = [
    `The instance key is given by ${secret}, so it is changed there, at every server of the installation.`,
    `A new one is in ${file}, which only its owner can read. Restart all servers after each step:`,
    `  1. ${previous} = the new one, so that all accept it`,
    `  2. ${secret} = the new one, ${previous} = the one before`,
    `  3. when \`backstay key status\` says that it may go: no ${previous}; remove ${file}`,
  ];
  for (const step of steps) console.error(step);
  throw new Error(`nothing was changed: the instance key is not ${config.home}'s own`);
}
