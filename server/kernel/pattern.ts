import { RE2JS, RE2JSException } from "re2js";
import { DomainError } from "./errors.js";

/** The most characters of a pattern, and of instructions it may compile to: its time is their product with the text. */
const MOST_CHARACTERS = 256;
const MOST_INSTRUCTIONS = 500;

/** A regular expression in RE2's syntax. It takes linear time whoever wrote it. */
export interface Pattern {
  /** Instructions of the compiled pattern: the time of a test is at most this times the length of the text. */
  readonly size: number;
  /** Whether it is found anywhere in the text. */
  test(text: string): boolean;
  /** Gives back what tests have remembered, up to megabytes; for patterns that live long. */
  forget(): void;
}

/** Compiles a pattern that came with `field` of a request. Throws INVALID_PATTERN. */
export function compilePattern(source: string, field: string, options: { ignoreCase?: boolean } = {}): Pattern {
  const refused = (message: string) => new DomainError("INVALID_PATTERN", message, { field });
  if ([...source].length > MOST_CHARACTERS) throw refused(`The pattern has more than ${MOST_CHARACTERS} characters.`);
  if (repeats(source) > MOST_INSTRUCTIONS) throw refused("The pattern repeats too much.");
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(source, options.ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    throw refused(`The pattern is no RE2 regular expression: ${error.message}.`);
  }
  const size = compiled.programSize();
  if (size > MOST_INSTRUCTIONS) throw refused("The pattern repeats too much.");
  return { size, test: (text) => compiled.test(text), forget: () => compiled.reset() };
}

/** Compiles a pattern of the configuration, which may be as large as RE2 takes. Throws an Error that says what is wrong. */
export function compileTrusted(source: string): Pick<Pattern, "test"> {
  const compiled = RE2JS.compile(source);
  return { test: (text) => compiled.test(text) };
}

/** The sum of what stands in braces: what is too large by this alone is not worth compiling. */
function repeats(source: string): number {
  let sum = 0;
  for (const [, least, most] of source.matchAll(/\{(\d+)(?:,(\d*))?\}/g)) sum += Number(most || least);
  return sum;
}
