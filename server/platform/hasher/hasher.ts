/**
 * Whose secret waits to be compared or hashed. Those who are `known`, by a device they have signed in from or by a secret they
 * have just shown, go first and have places of their own: a storm of strangers does not take them.
 */
export type Lane = "stranger" | "known";

/** Hashes secrets that people choose. Slow on purpose, and bounded: it never takes more than its share of the cores. */
export interface Hasher {
  /** A PHC string for `secret`. Throws TOO_MANY_SIGN_INS when the lane (strangers' by default) is full. */
  hash(secret: string, lane?: Lane): Promise<string>;
  /** Whether `secret` is the one behind `phc`; without a `phc` it costs the same and answers false. The same for lanes. */
  verify(secret: string, phc: string | undefined, lane?: Lane): Promise<boolean>;
  /** Throws TOO_MANY_SIGN_INS when the lane is full: who would be refused need not be looked up before. */
  checkRoom(lane: Lane): void;
  /** Whether `phc` was made at a lower cost than `hash` has now: who knows its secret can make a better one. */
  needsRehash(phc: string): boolean;
}
