import type { Result } from "./measure.js";
import type { Routing } from "./routing.js";

/** What a run measured; printed as one JSON object. */
export interface Report {
  date: string;
  machine: { cpu: string; cores: number; memoryGiB: number; kernel: string; loadBefore: number; loadAfter: number };
  node: string;
  database: string;
  plan: { rounds: number; sliceMs: number; warmMs: number };
  cases: Result[];
  routing: Routing[];
  /** One Ping at a time, in milliseconds. */
  idlePing: { p50: number; p99: number };
  memory: Record<
    "backstayIdleMiB" | "databaseIdleMiB" | "backstayLoadedMiB" | "echoLoadedMiB" | "grpcJsLoadedMiB",
    number
  >;
  start: { coldMs: number; warmMs: number };
}

/** The same for people. */
export function table({ machine, node, database, cases, routing, idlePing, memory, start }: Report): string {
  const { cpu, cores, loadBefore, loadAfter } = machine;
  const rows = cases.map(row);
  return [
    `Node ${node}, ${database}, ${cores} x ${cpu}, load ${loadBefore} before and ${loadAfter} after`,
    "",
    ...aligned([
      ["case", "reference", "cpu us", "ref us", "ratio", "req/s", "rate", "p50 ms", "p99 ms", "goal"],
      ...rows,
    ]),
    "",
    ...cases
      .filter(({ databaseCpuUs }) => databaseCpuUs !== undefined)
      .map(
        ({ name, databaseCpuUs, reference }) =>
          `${name}: the database used ${us(databaseCpuUs!)} us a request, for the reference ${us(reference.databaseCpuUs!)} us`,
      ),
    ...routing.map(
      ({ bindings, ns, ratio }) =>
        `routing of ${bindings} REST bindings: ${ns} ns a path, ${ratio.toFixed(2)} of the first`,
    ),
    `one Ping at a time: p50 ${ms(idlePing.p50)} ms, p99 ${ms(idlePing.p99)} ms`,
    `start: ${start.coldMs} ms on an empty home, ${start.warmMs} ms on the same again`,
    `memory, MiB: idle ${memory.backstayIdleMiB} and the database ${memory.databaseIdleMiB}; after the load ${memory.backstayLoadedMiB}, node:http echo ${memory.echoLoadedMiB}, grpc-js ${memory.grpcJsLoadedMiB}`,
  ].join("\n");
}

function row({ name, reference, cpuUs, ratio, rps, rpsRatio, p50, p99, goal }: Result): string[] {
  const span = ({ median, min, max }: { median: number; min: number; max: number }) =>
    `${median.toFixed(2)} (${min.toFixed(2)}-${max.toFixed(2)})`;
  return [
    name,
    reference.name,
    us(cpuUs),
    us(reference.cpuUs),
    span(ratio),
    String(rps),
    span(rpsRatio),
    ms(p50),
    ms(p99),
    goal ? `${goal.met ? "met" : "MISSED"}: cpu <= ${goal.cpu}${goal.rate ? `, rate >= ${goal.rate}` : ""}` : "",
  ];
}

function us(value: number): string {
  return value.toFixed(1);
}

function ms(value: number): string {
  return value.toFixed(2);
}

function aligned(rows: string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}
