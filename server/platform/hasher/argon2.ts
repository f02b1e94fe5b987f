import { hash, verify } from "@node-rs/argon2";
import { DomainError } from "../../kernel/errors.js";
import type { Hasher } from "./hasher.js";

/** Of argon2id, the library's own choice of algorithm. */
const COST = { memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };
const AT_ONCE = 2;
const WAITING = 64;

/** argon2id at the least cost OWASP names, two at a time, at most 64 more in line. */
export function argon2Hasher(): Hasher {
  let running = 0;
  const waiting: (() => void)[] = [];
  // An unknown login is compared with this, so that it takes as long as a known one.
  let dummy: Promise<string> | undefined;

  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= AT_ONCE) {
      if (waiting.length >= WAITING) {
        throw new DomainError("TOO_MANY_SIGN_INS", undefined, { retryAfterMs: 1_000 });
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else {
      running++;
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };

  return {
    hash: (secret) => inTurn(() => hash(secret, COST)),
    async verify(secret, phc) {
      dummy ??= hash("no account has this secret", COST);
      const against = phc ?? (await dummy);
      const same = await inTurn(() => verify(against, secret));
      return same && phc !== undefined;
    },
  };
}
