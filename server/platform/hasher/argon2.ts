import { hash, verify } from "@node-rs/argon2";
import { DomainError } from "../../kernel/errors.js";
import type { Hasher } from "./hasher.js";
import { createLine } from "./line.js";

/** Of argon2id, the library's own choice of algorithm. */
const COST = { memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };
const VERSION = 19;
const AT_ONCE = 2;
const WAITING = { stranger: 64, known: 32 };
/** About as long as a full line takes, in milliseconds. */
const RETRY_AFTER = 1_000;

/** argon2id at the least cost OWASP names, two at a time; at most 64 strangers wait, and 32 who are known. */
export function argon2Hasher(): Hasher {
  const line = createLine({
    atOnce: AT_ONCE,
    waiting: WAITING,
    refuse: () => new DomainError("TOO_MANY_SIGN_INS", undefined, { retryAfterMs: RETRY_AFTER }),
  });
  // An unknown login is compared with this, so that it takes as long as a known one; from the first on, so it is made now.
  const dummy = hash("no account has this secret", COST);

  return {
    hash: (secret, lane = "stranger") => line.inTurn(lane, () => hash(secret, COST)),
    async verify(secret, phc, lane = "stranger") {
      const against = phc ?? (await dummy);
      const same = await line.inTurn(lane, () => verify(against, secret));
      return same && phc !== undefined;
    },
    checkRoom: line.checkRoom,
    needsRehash: isWeaker,
  };
}

/** Whether a PHC string was made by another algorithm, or at a lower cost, than `hash` takes now. */
export function isWeaker(phc: string): boolean {
  const [, version, memory, time] = /^\$argon2id\$v=(\d+)\$m=(\d+),t=(\d+),p=\d+\$/.exec(phc) ?? [];
  if (version === undefined) return true;
  return Number(version) < VERSION || Number(memory) < COST.memoryCost || Number(time) < COST.timeCost;
}
