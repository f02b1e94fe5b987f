import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** One request by the real curl. */
export async function curl(
  url: string,
  options: { token?: string; json?: unknown; args?: string[] } = {},
): Promise<{ status: number; text: string; json: unknown }> {
  const args = ["-s", "-w", "\n%{http_code}", ...(options.args ?? [])];
  if (options.token !== undefined) args.push("-H", `authorization: Bearer ${options.token}`);
  if (options.json !== undefined) args.push("-H", "content-type: application/json", "-d", JSON.stringify(options.json));
  const { stdout } = await run("curl", [...args, url]);
  const at = stdout.lastIndexOf("\n");
  const text = stdout.slice(0, at);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: Number(stdout.slice(at + 1)), text, json };
}
