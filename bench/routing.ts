import type { Binding } from "../server/http/rest/bindings.js";
import { createRouter, type Router } from "../server/http/rest/router.js";
import { parseTemplate } from "../server/http/rest/template.js";
import type { Plan } from "./measure.js";

/** What it costs to find one path among so many bindings. */
export interface Routing {
  bindings: number;
  /** Median over the rounds, in nanoseconds a path. */
  ns: number;
  /** Over the smallest table's, in the same round: its median. */
  ratio: number;
}

const SIZES = [10, 100, 1_000];
const SLICE_PATHS = 200_000;

/** Five bindings a resource, as services have them. */
const SHAPES: [method: string, template: string, path: string][] = [
  ["GET", "/v1/things", "/v1/things"],
  ["POST", "/v1/things", "/v1/things"],
  ["GET", "/v1/things/{id}", "/v1/things/0192f0000000700080000000000000aa"],
  ["PATCH", "/v1/things/{id}/parts/{part=**}", "/v1/things/0192f0000000700080000000000000aa/parts/a/b"],
  ["POST", "/v1/things/{id}:move", "/v1/things/0192f0000000700080000000000000aa:move"],
];

/** Looks up the same paths in tables of each size, the tables in turn. */
export function measureRouting({ rounds }: Pick<Plan, "rounds">): Routing[] {
  const tables = SIZES.map(createTable);
  for (const table of tables) slice(table);
  const seen = Array.from({ length: rounds }, () => tables.map(slice));
  return SIZES.map((bindings, size) => ({
    bindings,
    ns: Math.round(median(seen.map((round) => round[size]!))),
    ratio: Math.round(median(seen.map((round) => round[size]! / round[0]!)) * 1000) / 1000,
  }));
}

function createTable(bindings: number): Router {
  const all = Array.from({ length: bindings / SHAPES.length }, (_, n) =>
    SHAPES.map(([httpMethod, template]) => ({
      httpMethod,
      template: parseTemplate(template.replace("things", `things${n}`)),
    })),
  );
  // The router looks at no more of a binding than that.
  return createRouter(all.flat() as unknown as Binding[]);
}

/** Nanoseconds a path. */
function slice(router: Router): number {
  const asked = SHAPES.map(([method, , path]) => [method, path.replace("things", "things1")] as const);
  let found = 0;
  const began = process.hrtime.bigint();
  for (let n = 0; n < SLICE_PATHS; n++) {
    const [method, path] = asked[n % asked.length]!;
    const match = router.match(method, path);
    if (match !== undefined && "binding" in match) found += 1;
  }
  const took = Number(process.hrtime.bigint() - began);
  if (found !== SLICE_PATHS) throw new Error("a path was not found");
  return took / SLICE_PATHS;
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle - 0.5)]! + sorted[Math.floor(middle)]!) / 2;
}
