/** Stands for one segment, or for all that are left, in the segments of a template. */
export const ONE = "*";
export const REST = "**";

/** The path template of a google.api.http rule. */
export interface Template {
  /** Literals, `*` and `**`; the last may be `**`, no other. */
  readonly segments: readonly string[];
  /** What follows the colon. */
  readonly verb: string | undefined;
  readonly variables: readonly TemplateVariable[];
}

/** A field of the request and the segments its value is taken from. */
export interface TemplateVariable {
  /** As the template spells it, such as `account.id`. */
  readonly field: string;
  readonly start: number;
  /** One past its last segment; undefined when it takes all that are left. */
  readonly end: number | undefined;
  /** Whether it may span several segments, so that `%2F` in it is not the same as `/`. */
  readonly spans: boolean;
}

const LITERAL = /[\w.~!$&'()+,;@-]+/y;
const FIELD = /[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*/y;

/** Reads a template by the grammar of google/api/http.proto. Throws, saying where it is wrong. */
export function parseTemplate(text: string): Template {
  const segments: string[] = [];
  const variables: TemplateVariable[] = [];
  let at = 0;

  const fail = (what: string): never => {
    throw new Error(`the template ${text} is wrong at character ${at + 1}: ${what}`);
  };
  const eat = (token: string): boolean => {
    if (!text.startsWith(token, at)) return false;
    at += token.length;
    return true;
  };
  const take = (pattern: RegExp, what: string): string => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0] ?? fail(`expected ${what}`);
    at += found.length;
    return found;
  };

  const readSegments = (inVariable: boolean): void => {
    do {
      if (segments.includes(REST)) fail("nothing may follow **");
      if (eat("{")) {
        if (inVariable) fail("a variable cannot stand inside of another");
        readVariable();
      } else if (eat(REST)) segments.push(REST);
      else if (eat(ONE)) segments.push(ONE);
      else segments.push(take(LITERAL, "a segment"));
    } while (eat("/"));
  };

  const readVariable = (): void => {
    const field = take(FIELD, "a field");
    if (variables.some((one) => one.field === field)) fail(`${field} stands twice`);
    const start = segments.length;
    if (eat("=")) readSegments(true);
    else segments.push(ONE);
    if (!eat("}")) fail("expected }");
    const open = segments.at(-1) === REST;
    const end = open ? undefined : segments.length;
    variables.push({ field, start, end, spans: open || segments.length - start > 1 });
  };

  if (!eat("/")) fail("expected /");
  readSegments(false);
  const verb = eat(":") ? take(LITERAL, "a verb") : undefined;
  if (at < text.length) fail("expected the end");
  return { segments, verb, variables };
}
