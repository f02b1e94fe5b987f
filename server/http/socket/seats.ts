import { addressKey } from "../../kernel/address.js";
import { DomainError } from "../../kernel/errors.js";

/** Counts the sockets of each address. */
export interface Seats {
  /** Takes one; returns what gives it back. Throws TOO_MANY_SOCKETS. */
  take(remoteAddress: string): () => void;
}

/** `most`: sockets of one IPv4 address or IPv6 /64. */
export function createSeats(most: number): Seats {
  const taken = new Map<string, number>();
  return {
    take(remoteAddress) {
      const key = addressKey(remoteAddress);
      const count = taken.get(key) ?? 0;
      if (count >= most) throw new DomainError("TOO_MANY_SOCKETS");
      taken.set(key, count + 1);
      return () => {
        const left = taken.get(key)! - 1;
        if (left > 0) taken.set(key, left);
        else taken.delete(key);
      };
    },
  };
}
