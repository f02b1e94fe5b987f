/** Hashes secrets that people choose. Slow on purpose, and bounded: it never takes more than its share of the cores. */
export interface Hasher {
  /** A PHC string for `secret`. Throws TOO_MANY_SIGN_INS when the queue is full. */
  hash(secret: string): Promise<string>;
  /** Whether `secret` is the one behind `phc`; without a `phc` it costs the same and answers false. */
  verify(secret: string, phc: string | undefined): Promise<boolean>;
}
