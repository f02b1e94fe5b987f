import { LRUCache } from "lru-cache";

/** For each node the number of its last change. */
export type Heard = Readonly<Record<string, number>>;

/**
 * Which changes of which keys are known here, by the node that made them and that node's own count. A value that comes from
 * another node may only be kept if that node knew of every change of its key that is known here: two that change a key at the
 * same moment would otherwise end with each other's value.
 */
export interface Changes {
  /** A change of `key`, or of all keys when it is undefined. */
  note(node: string, number: number, key: string | undefined): void;
  /** What this node has heard of; it goes along with a value. */
  heard(): Heard;
  /** Whether `node`, which had heard of `heard`, knew of all changes of `key` that are known here. */
  knewAll(node: string, heard: Heard, key: string): boolean;
}

/** Keys whose changes are told apart; of what is older only the last number of each node is known. */
const MOST_KEYS = 10_000;
/** Nodes remembered, of which there is a new one with each start of a process. Forgetting one only makes others forget values. */
const MOST_NODES = 250;

export function createChanges(): Changes {
  const last = new LRUCache<string, number>({ max: MOST_NODES });
  /** The last change of each node that may have been of any key. */
  const ofAny = new LRUCache<string, number>({ max: MOST_NODES });
  const raise = (node: string, number: number) => ofAny.set(node, Math.max(number, ofAny.get(node) ?? 0));
  const recent = new LRUCache<string, Map<string, number>>({
    max: MOST_KEYS,
    dispose: (numbers) => {
      for (const [node, number] of numbers) raise(node, number);
    },
  });
  return {
    note(node, number, key) {
      last.set(node, number);
      if (key === undefined) {
        raise(node, number);
        return;
      }
      const known = recent.get(key);
      if (known === undefined) recent.set(key, new Map([[node, number]]));
      else known.set(node, number);
    },
    heard: () => Object.fromEntries(last.entries()),
    knewAll(node, heard, key) {
      for (const [other, number] of [...ofAny.entries(), ...(recent.get(key) ?? [])]) {
        if (other !== node && number > (heard[other] ?? 0)) return false;
      }
      return true;
    },
  };
}
