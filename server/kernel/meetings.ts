/** Finds out what was under way at the same time about the same. */
export interface Meetings {
  /** Does work that is about something; `met` when, before it was done, other work about the same was begun or not yet done. */
  during<T>(about: string, work: () => Promise<T>): Promise<{ result: T; met: boolean }>;
}

export function meetings(): Meetings {
  /** Those under way, by what they are about. */
  const underWay = new Map<string, Set<{ met: boolean }>>();
  return {
    async during(about, work) {
      const here = underWay.get(about) ?? new Set();
      const own = { met: here.size > 0 };
      for (const other of here) other.met = true;
      underWay.set(about, here.add(own));
      try {
        const result = await work();
        return { result, met: own.met };
      } finally {
        here.delete(own);
        if (here.size === 0) underWay.delete(about);
      }
    },
  };
}
