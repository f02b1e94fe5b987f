import type { Binding, PathVariable } from "../rest/bindings.js";
import { ONE, REST } from "../rest/template.js";

/** A path as OpenAPI writes it, and what stands in braces. */
export interface PathText {
  readonly text: string;
  readonly parameters: readonly PathParameter[];
}

export interface PathParameter {
  readonly name: string;
  /** The variable it belongs to; an unnamed wildcard belongs to none. */
  readonly variable: PathVariable | undefined;
  /** The variable's value, when there is more to it than this parameter: `shelves/{name}`. */
  readonly whole: string | undefined;
  /** Whether it takes all segments that are left. */
  readonly open: boolean;
}

/**
 * Writes paths for OpenAPI, whose parameters are one segment each: what a template's variable has besides wildcards becomes
 * part of the path. Paths that differ only in the names of their parameters are one path there, so the first to come gives
 * the names.
 */
export function createPathWriter(): (binding: Binding) => PathText {
  const namesOfShape = new Map<string, readonly (string | undefined)[]>();
  return ({ template, variables }) => {
    const { segments, verb } = template;
    const shape = segments.join("/");
    const names = namesOfShape.get(shape) ?? parameterNames(segments, variables);
    namesOfShape.set(shape, names);

    const written = segments.map((segment, index) => (names[index] === undefined ? segment : `{${names[index]}}`));
    const parameters = names.flatMap((name, index): PathParameter[] => {
      if (name === undefined) return [];
      const variable = variables.find(({ from }) => isWithin(index, from));
      const whole = variable && written.slice(variable.from.start, variable.from.end).join("/");
      const open = segments[index] === REST;
      return [{ name, variable, whole: whole === `{${name}}` ? undefined : whole, open }];
    });
    return { text: `/${written.join("/")}${verb === undefined ? "" : `:${verb}`}`, parameters };
  };
}

/** A name for each wildcard: that of its variable, with a number when the variable has several. */
function parameterNames(segments: readonly string[], variables: readonly PathVariable[]): (string | undefined)[] {
  return segments.map((segment, index) => {
    if (segment !== ONE && segment !== REST) return undefined;
    const variable = variables.find(({ from }) => isWithin(index, from));
    if (variable === undefined) return `segment${index + 1}`;
    const { start, end } = variable.from;
    const before = segments.slice(start, index).filter(isWildcard).length;
    const several = segments.slice(start, end).filter(isWildcard).length > 1;
    return several ? `${variable.path.name}_${before + 1}` : variable.path.name;
  });
}

function isWildcard(segment: string): boolean {
  return segment === ONE || segment === REST;
}

function isWithin(index: number, { start, end }: PathVariable["from"]): boolean {
  return index >= start && (end === undefined || index < end);
}
