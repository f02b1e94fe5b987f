import type { Caller } from "../../kernel/caller.js";
import { compilePattern } from "../../kernel/pattern.js";
import { coversEvent } from "../../kernel/scopes.js";
import { encodeOnce } from "../../kernel/share.js";
import type { LoggedEvent } from "../../platform/events/index.js";
import { compatEvent } from "./compat-event.js";

/** Which events of its topics a stream is for. */
export interface Wish {
  types: string[];
  match: string;
}

/** Tells whether an event is wanted. */
export type IsWanted = (event: LoggedEvent) => boolean;

/** Tells whether an event is wanted: by its type, and by the pattern. Throws INVALID_PATTERN. */
export function wantedEvents({ types, match }: Wish): IsWanted {
  const isOfType = typeFilter(types);
  if (match === "") return ({ type }) => isOfType(type);
  const isMatch = matchFilter(match);
  return (event) => isOfType(event.type) && isMatch(event);
}

/** Of what is wanted, what the scopes of the caller's API key let him hear of: the rest is passed over as what is not wanted. */
export function ofScopes(caller: Caller, isWanted: IsWanted): IsWanted {
  const scopes = caller.kind === "anonymous" ? undefined : caller.scopes;
  if (scopes === undefined) return isWanted;
  return (event) => coversEvent(scopes, event.type) && isWanted(event);
}

const everyType = () => true;

function typeFilter(types: string[]): (type: string) => boolean {
  if (types.length === 0) return everyType;
  const exact = new Set(types);
  const prefixes = types.filter((type) => type.endsWith("*")).map((type) => type.slice(0, -1));
  return (type) => exact.has(type) || prefixes.some((prefix) => type.startsWith(prefix));
}

/**
 * Tries a pattern on the predecessor's text of an event, with its quotes and without: documented patterns leave them out. Of an
 * event that many streams hear of, once for all who have the same pattern.
 */
function matchFilter(match: string): IsWanted {
  const pattern = compilePattern(match, "match");
  const isFound = (event: LoggedEvent) => {
    const { quoted, bare } = compatText(event);
    const found = pattern.test(quoted) || pattern.test(bare);
    // There may be thousands of streams, and hours between two events.
    pattern.forget();
    return found;
  };
  return (event) => encodeOnce(event, match, () => isFound(event));
}

const COMPAT_TEXT = Symbol("compat text");

function compatText(event: LoggedEvent): { quoted: string; bare: string } {
  return encodeOnce(event, COMPAT_TEXT, () => {
    const { type, time, data } = event;
    const quoted = JSON.stringify(compatEvent({ type, time, data: JSON.parse(data) }));
    return { quoted, bare: quoted.replaceAll('"', "") };
  });
}
