import type { Binding } from "./bindings.js";
import { ONE, REST, type Template } from "./template.js";

/** What a path can lead to. */
export interface Routed {
  /** `*` for any. */
  readonly httpMethod: string;
  readonly template: Template;
  readonly method: { readonly name: string };
}

/** A binding and the path that led to it. */
export interface RestMatch<Route extends Routed = Binding> {
  readonly binding: Route;
  /** The path between slashes, not yet decoded, without the verb. */
  readonly segments: readonly string[];
}

export interface Router<Route extends Routed = Binding> {
  /** The binding of a path, or the methods the path has when this is none of them; undefined for an unknown path. */
  match(httpMethod: string, path: string): RestMatch<Route> | { allow: string[] } | undefined;
}

/** Bindings by verb, then by HTTP method. */
type Leaves<Route> = Map<string | undefined, Map<string, Route>>;

interface Node<Route> {
  readonly literals: Map<string, Node<Route>>;
  one: Node<Route> | undefined;
  /** What ends here. */
  readonly leaves: Leaves<Route>;
  /** What takes all segments that are left. */
  readonly rest: Leaves<Route>;
}

/**
 * A tree of path segments, so that a look-up costs by the length of the path and not by the number of bindings. A literal
 * beats `*`, which beats `**`. Throws when two bindings are the same to a caller.
 */
export function createRouter<Route extends Routed>(bindings: Iterable<Route>): Router<Route> {
  const root = createNode<Route>();
  for (const binding of bindings) insert(root, binding);

  return {
    match(httpMethod, path) {
      if (path[0] !== "/") return undefined;
      const segments = path.slice(1).split("/");
      const last = segments.at(-1) ?? "";
      const colon = last.lastIndexOf(":");
      const verb = colon === -1 ? undefined : last.slice(colon + 1);
      if (colon !== -1) segments[segments.length - 1] = last.slice(0, colon);

      const binding = search(root, segments, 0, (leaves) => {
        const methods = leaves.get(verb);
        return (
          methods &&
          (methods.get(httpMethod) ?? (httpMethod === "HEAD" ? methods.get("GET") : undefined) ?? methods.get("*"))
        );
      });
      if (binding !== undefined) return { binding, segments };
      const allow = methodsOf(root, segments, verb);
      return allow.length === 0 ? undefined : { allow };
    },
  };
}

/** The HTTP methods that a path has. */
function methodsOf<Route>(root: Node<Route>, segments: readonly string[], verb: string | undefined): string[] {
  const allow = new Set<string>();
  search(root, segments, 0, (leaves) => {
    for (const name of leaves.get(verb)?.keys() ?? []) allow.add(name);
    return undefined;
  });
  if (allow.has("GET")) allow.add("HEAD");
  return [...allow].sort();
}

function createNode<Route>(): Node<Route> {
  return { literals: new Map(), one: undefined, leaves: new Map(), rest: new Map() };
}

function insert<Route extends Routed>(root: Node<Route>, binding: Route): void {
  const { segments, verb } = binding.template;
  let node = root;
  let leaves: Leaves<Route> | undefined;
  for (const segment of segments) {
    if (segment === REST) leaves = node.rest;
    else node = childOf(node, segment);
  }
  leaves ??= node.leaves;
  let methods = leaves.get(verb);
  if (methods === undefined) {
    methods = new Map();
    leaves.set(verb, methods);
  }
  const other = methods.get(binding.httpMethod);
  if (other !== undefined) {
    const place = `${binding.httpMethod} /${segments.join("/")}${verb === undefined ? "" : `:${verb}`}`;
    throw new Error(`${binding.method.name} and ${other.method.name} are both bound to ${place}`);
  }
  methods.set(binding.httpMethod, binding);
}

function childOf<Route>(node: Node<Route>, segment: string): Node<Route> {
  const known = segment === ONE ? node.one : node.literals.get(segment);
  if (known !== undefined) return known;
  const child = createNode<Route>();
  if (segment === ONE) node.one = child;
  else node.literals.set(segment, child);
  return child;
}

/** Asks the leaves the segments lead to, the most exact first. A node is visited at most once, whatever the path. */
function search<Route>(
  node: Node<Route>,
  segments: readonly string[],
  depth: number,
  ask: (leaves: Leaves<Route>) => Route | undefined,
): Route | undefined {
  const segment = segments[depth];
  if (segment === undefined) return ask(node.leaves);
  const literal = node.literals.get(segment);
  return (
    (literal && search(literal, segments, depth + 1, ask)) ??
    (node.one && segment !== "" ? search(node.one, segments, depth + 1, ask) : undefined) ??
    ask(node.rest)
  );
}
