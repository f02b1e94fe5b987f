/** Controls, what ends a line elsewhere, and marks of direction: what would steer a terminal, or turn a line around. */
const STEERING = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/** A text as it may be printed, whoever wrote it: one line, whose control characters are shown as `\u001b`. */
export function visible(text: string): string {
  return text.replace(STEERING, escaped);
}

/** JSON as it may be printed: JSON itself lets most of those characters stand, and reads them as well when they are escaped. */
export function visibleJson(value: unknown): string {
  return visible(JSON.stringify(value));
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
