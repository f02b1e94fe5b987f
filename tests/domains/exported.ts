import type { TestBackstay } from "../support/backstay.js";
import { bearer } from "./support.js";

/** One line of an export. */
export interface ExportedLine {
  domain: string;
  kind: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it.
  record: Record<string, any>;
}

/** Everything that is held of the caller's account. Fails when it is refused. */
export async function exportedOf(backstay: TestBackstay, token: string): Promise<ExportedLine[]> {
  const headers = { ...bearer(token), accept: "application/x-ndjson" };
  const response = await fetch(`${backstay.url}/v1/accounts/me:export`, { headers });
  const lines = (await response.text()).split("\n").filter((line) => line !== "");
  const parsed = lines.map((line) => JSON.parse(line));
  const refused = parsed.find((line) => line.error !== undefined);
  if (response.status !== 200 || refused !== undefined) throw new Error(`the export was refused: ${lines.at(-1)}`);
  return parsed;
}
