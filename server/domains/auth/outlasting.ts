import type { Ctx } from "../../context.js";

/**
 * A call's context for what is written whether its caller still waits or not: how a guess has ended must not depend on the
 * deadline that the guesser chose. Outside of transactions only.
 */
export function outlasting(ctx: Ctx): Ctx {
  return Object.create(ctx, { db: { value: ctx.database } }) as Ctx;
}
