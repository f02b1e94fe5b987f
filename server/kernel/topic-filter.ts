const SEGMENT = "[A-Za-z0-9._-]{1,64}";

/** Names of topics: one, those of a pattern such as `room/{id}`, or all below one, such as `account/*`. */
// reason: a constant pattern, which says twice what a part of a name is
export const TOPIC_FILTER = new RegExp(
  `^[a-z][a-z0-9_-]{0,31}(/(${SEGMENT}|\\{[a-z][A-Za-z0-9_]{0,31}\\})){0,3}/(${SEGMENT}|\\{[a-z][A-Za-z0-9_]{0,31}\\}|\\*)$`,
);

/** Whether a topic is of a filter's names. */
export function matchesTopic(filter: string, topic: string): boolean {
  const wanted = filter.split("/");
  const parts = topic.split("/");
  const isOpen = wanted.at(-1) === "*";
  if (isOpen ? parts.length < wanted.length : parts.length !== wanted.length) return false;
  return wanted.every((part, n) => part === parts[n] || part.startsWith("{") || (isOpen && n === wanted.length - 1));
}
