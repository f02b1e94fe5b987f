import { compilePattern } from "../../kernel/pattern.js";
import type { LoggedEvent } from "../../platform/events/index.js";
import { compatEvent } from "./compat-event.js";

/** Which events of its topics a stream is for. */
export interface Wish {
  types: string[];
  match: string;
}

/** Tells whether an event is wanted: by its type, and by the pattern. Throws INVALID_PATTERN. */
export function wantedEvents({ types, match }: Wish): (event: LoggedEvent) => boolean {
  const isOfType = typeFilter(types);
  if (match === "") return ({ type }) => isOfType(type);
  const isMatch = matchFilter(match);
  return (event) => isOfType(event.type) && isMatch(event);
}

function typeFilter(types: string[]): (type: string) => boolean {
  if (types.length === 0) return () => true;
  const exact = new Set(types);
  const prefixes = types.filter((type) => type.endsWith("*")).map((type) => type.slice(0, -1));
  return (type) => exact.has(type) || prefixes.some((prefix) => type.startsWith(prefix));
}

/** Tries a pattern on the predecessor's text of an event, with its quotes and without: documented patterns leave them out. */
function matchFilter(match: string): (event: LoggedEvent) => boolean {
  const pattern = compilePattern(match, "match");
  return ({ type, time, data }) => {
    const text = JSON.stringify(compatEvent({ type, time, data: JSON.parse(data) }));
    const isFound = pattern.test(text) || pattern.test(text.replaceAll('"', ""));
    // There may be thousands of streams, and hours between two events.
    pattern.forget();
    return isFound;
  };
}
