import { DomainError } from "../../kernel/errors.js";

/** Counts who is in. `enter` throws TOO_MANY_STREAMS when the house is full, and returns what leaves. */
export function places(most: number): { enter(): () => void } {
  let taken = 0;
  return {
    enter() {
      if (taken >= most) throw new DomainError("TOO_MANY_STREAMS", undefined, { retryAfterMs: 1_000 });
      taken++;
      return () => {
        taken--;
      };
    },
  };
}
