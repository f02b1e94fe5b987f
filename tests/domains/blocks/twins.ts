import type { Person } from "../../support/backstay.js";
import type { Cursors } from "./cursors.js";

/** Somebody, another whom he deals with, and a friend of both. */
export interface Pair {
  readonly me: Person;
  readonly peer: Person;
  readonly friend: Person;
  /** What earlier answers said that later requests need. */
  readonly known: Map<string, string>;
  /** How far the log has moved on by what was done here. */
  readonly cursors: Cursors;
  /** An answer in words that are the same for two pairs with whom the same has happened. */
  plain(answer: unknown): unknown;
}

const ID = /[0-9a-f]{32}/g;
/** What is opaque, or written whenever there is time for it, and says nothing but that it is there. */
const OPAQUE = new Set(["nextPageToken", "lastSeenTime"]);

/**
 * Puts placeholders in the place of what can only differ: ids (numbered as they first appear, so that an answer that speaks of another
 * thing than before is found out), logins and tokens; and cursors, which are counted by what the pair has done. Times stay: the clock
 * of these tests stands still between two pairs.
 */
export function makePair(people: { me: Person; peer: Person; friend: Person }, cursors: Cursors): Pair {
  const names = new Map<string, string>();
  for (const [role, { id }] of Object.entries(people)) names.set(id, `<${role}>`);
  const nameOf = (id: string) => {
    if (!names.has(id)) names.set(id, `<id ${names.size}>`);
    return names.get(id)!;
  };
  const plainText = (text: string) =>
    Object.entries(people)
      .reduce((all, [role, { login }]) => all.replaceAll(login, `<login of ${role}>`), text)
      .replace(ID, nameOf);
  const plain = (value: unknown): unknown => {
    if (typeof value === "string") return plainText(value);
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [plainText(key), plainField(key, one)]));
  };
  const plainField = (key: string, value: unknown) => {
    if (OPAQUE.has(key) && value !== "") return `<${key}>`;
    return key === "cursor" && typeof value === "string" ? `<${key} ${cursors.count(value)}>` : plain(value);
  };
  return { ...people, known: new Map(), cursors, plain };
}
