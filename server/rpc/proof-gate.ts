import { type Bucket, checkBucket } from "./rate-buckets.js";

/**
 * Lets proofs begin, of each bucket of refusals no more at once than may be refused: however many are sent together, no more
 * guesses are answered than one by one. Those that turn out right cost nothing, so the others wait for their turn.
 */
export interface ProofGate {
  /** Waits until a proof may begin; the returned function says that it has ended. Rejects with RATE_LIMITED. */
  enter(filled: () => Bucket): Promise<() => void>;
}

/** The proofs of one bucket. */
interface Line {
  underWay: number;
  readonly waiting: (() => void)[];
}

export function createProofGate(): ProofGate {
  const lines = new WeakMap<Bucket, Line>();

  const lineOf = (bucket: Bucket): Line => {
    const line = lines.get(bucket) ?? { underWay: 0, waiting: [] };
    lines.set(bucket, line);
    return line;
  };

  /** Whoever is called looks for himself whether there is room, and calls the next one when there is more, or none at all. */
  const callNext = ({ waiting }: Line): void => waiting.shift()?.();

  return {
    async enter(filled) {
      // Whoever was called too early does not lose his place.
      for (let place: "push" | "unshift" = "push"; ; place = "unshift") {
        const bucket = filled();
        const line = lineOf(bucket);
        try {
          checkBucket(bucket);
        } catch (error) {
          callNext(line);
          throw error;
        }
        if (line.underWay + 1 <= bucket.tokens) {
          line.underWay++;
          callNext(line);
          return () => {
            line.underWay--;
            callNext(line);
          };
        }
        // Somebody is under way, and calls.
        await new Promise<void>((resolve) => line.waiting[place](resolve));
      }
    },
  };
}
