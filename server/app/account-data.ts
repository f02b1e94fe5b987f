import type { EraseCtx, ExportCtx, ExportedRecord } from "../context.js";
import type { Manifest } from "../manifest.js";

/** Erases what the domains hold of an account. */
export async function eraseAll(domains: readonly Manifest[], ctx: EraseCtx, accountId: string): Promise<void> {
  for (const { erase } of domains) if (typeof erase === "function") await erase(ctx, accountId);
}

/** What the domains hold of an account, in their order. */
export async function* exportAll(
  domains: readonly Manifest[],
  ctx: ExportCtx,
  accountId: string,
): AsyncGenerator<ExportedRecord & { domain: string }> {
  for (const domain of domains) {
    if (typeof domain.export !== "function") continue;
    for await (const record of domain.export(ctx, accountId)) yield { domain: domain.name, ...record };
  }
}
