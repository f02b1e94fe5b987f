import type { EraseCtx } from "../../context.js";
import { tellPresence } from "./events.js";
import { erasePresences } from "./store-presence.js";

/** Takes an account out of all topics. No node would find any more that it left them, so it is told here. */
export async function erasePresence(ctx: EraseCtx, accountId: string): Promise<void> {
  const places = await erasePresences(ctx, { accountId });
  ctx.afterCommit(() => tellPresence(ctx, "presence.leave", places));
}
