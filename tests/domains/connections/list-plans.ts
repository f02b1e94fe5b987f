import type postgres from "postgres";
import type { Shape } from "../../../server/domains/connections/store-list.js";
import type { Db } from "../../../server/platform/db/db.js";
import type { Statement } from "../../../server/platform/db/index.js";

const EITHER = [false, true];

/** Every shape a list of one side has. */
export function shapesOf(side: Shape["side"]): Shape[] {
  return EITHER.flatMap((byType) =>
    EITHER.flatMap((byPeer) =>
      EITHER.flatMap((recent) => EITHER.map((descending) => ({ side, byType, byPeer, recent, descending }))),
    ),
  );
}

interface Plan {
  "Node Type": string;
  "Relation Name"?: string;
  Plans?: Plan[];
  "Shared Hit Blocks": number;
  "Shared Read Blocks": number;
}

/** What a statement touched: how many pages of 8 KiB, and which tables it read from end to end. */
export interface Touched {
  pages: number;
  scanned: string[];
}

/** Runs a statement as a connection does that has met it often (`generic`), or never (`custom`), and tells what it touched. */
export async function touchedBy<Input extends object>(
  sql: postgres.Sql,
  mode: "generic" | "custom",
  statement: Statement<Input, unknown>,
  input: Input,
): Promise<Touched> {
  const connection = await sql.reserve();
  try {
    await connection.unsafe(`set plan_cache_mode = force_${mode}_plan`);
    const explain = async (text: string, values: readonly unknown[]) => {
      await connection.unsafe(`prepare asked as ${text}`);
      const given = values.map(literal).join();
      return connection.unsafe(`explain (analyze, buffers, format json) execute asked(${given})`);
    };
    const db = { run: explain } as unknown as Db;
    const [row] = (await statement({ db }, input)) as { "QUERY PLAN": { Plan: Plan }[] }[];
    const plan = row!["QUERY PLAN"][0]!.Plan;
    return { pages: plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], scanned: scanned(plan) };
  } finally {
    await connection.unsafe("deallocate all");
    connection.release();
  }
}

function scanned(plan: Plan): string[] {
  const own = plan["Node Type"] === "Seq Scan" && plan["Relation Name"] === "connections" ? ["connections"] : [];
  return [...own, ...(plan.Plans ?? []).flatMap(scanned)];
}

function literal(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "number") return String(value);
  return `'${value instanceof Date ? value.toISOString() : String(value).replaceAll("'", "''")}'`;
}
