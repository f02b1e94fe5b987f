import type { Ports } from "../../context.js";
import { addressKey } from "../../kernel/address.js";
import { DomainError } from "../../kernel/errors.js";
import { Recent } from "./recent.js";
import { countWrong, tooManyTries } from "./throttle.js";

/** For so long, in milliseconds, guesses elsewhere do not stop an address that a login has signed rightly from. */
const KNOWN_FOR = 24 * 3_600_000;
/** Most logins, and most addresses of them, that a node remembers. */
const MOST = 10_000;

/** What this node knows of those who sign. */
interface Memory {
  /** Until when a login is locked, by the count that all nodes share. */
  readonly lockedUntil: Recent;
  /** When a login has last signed rightly from an address. */
  readonly rightFrom: Recent;
  /** The signature of a login that is just being compared. */
  readonly compared: Map<string, Promise<unknown>>;
}

const memories = new WeakMap<Ports["audit"], Memory>();

/** Whose signature is to be compared, and where the call comes from. */
export interface SignatureTry {
  /** The folded login, whether anybody has it or not. */
  subject: string;
  address: string;
}

/**
 * Compares a signature by `compare`, as far as guesses leave room for it. Only what is refused with INVALID_SIGNATURE is written
 * down: what is right costs the database nothing. Throws TOO_MANY_TRIES, and what `compare` throws.
 */
export async function trySignature<T>(ports: Ports, of: SignatureTry, compare: () => Promise<T>): Promise<T> {
  if (!ports.settings.limitRates) return compare();
  const memory = memoryOf(ports);
  const { subject } = of;
  const from = `${addressKey(of.address)} ${subject}`;
  const now = ports.clock.now();
  const isKnown = () => now.getTime() - memory.rightFrom.timeOf(from) <= KNOWN_FOR;
  const right = async () => {
    const found = await compare().catch((error) => countRefusal(ports, memory, subject, error));
    memory.rightFrom.note(from, now.getTime());
    return found;
  };
  // Guesses that come at once are compared one after the other, as each may lock the login for the next.
  while (!isKnown() && memory.compared.has(subject)) await memory.compared.get(subject);
  if (isKnown()) return right();
  const lockedUntil = memory.lockedUntil.timeOf(subject);
  if (lockedUntil > now.getTime()) throw tooManyTries(now, new Date(lockedUntil));
  const own = right();
  memory.compared.set(
    subject,
    own.then(
      () => memory.compared.delete(subject),
      () => memory.compared.delete(subject),
    ),
  );
  return own;
}

async function countRefusal(ports: Ports, memory: Memory, subject: string, error: unknown): Promise<never> {
  if (error instanceof DomainError && error.reason === "INVALID_SIGNATURE") {
    const lockedUntil = await countWrong(ports, { purpose: "signature", subject });
    memory.lockedUntil.note(subject, lockedUntil.getTime());
  }
  throw error;
}

function memoryOf({ audit }: Ports): Memory {
  const memory = memories.get(audit) ?? {
    lockedUntil: new Recent(MOST),
    rightFrom: new Recent(MOST),
    compared: new Map<string, Promise<unknown>>(),
  };
  memories.set(audit, memory);
  return memory;
}
