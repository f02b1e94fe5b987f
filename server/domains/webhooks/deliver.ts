import type { JobCtx } from "../../context.js";
import { FinalError } from "../../kernel/final-error.js";
import type { JsonObject } from "../../kernel/jobs.js";
import { type LoggedEvent, readEvent, toLoggedEvent } from "../../platform/events/index.js";
import { signedHeaders } from "./sign.js";
import { hasAnswered, hasNotAnswered, whyLeftAlone } from "./silence.js";

/** Milliseconds until an answer must be there, redirects and all. */
const DEADLINE = 10_000;

/** Which event goes where. The event itself stays in the log alone, which forgets it when it must. */
export interface Delivery {
  /** The webhook's id. */
  readonly webhook: string;
  /** The event's id, and its place in the log. */
  readonly event: string;
  readonly offset: number;
}

/** A delivery as a job's arguments have it; undefined when they are none. */
export function toDelivery({ webhook, event, offset }: JsonObject): Delivery | undefined {
  if (typeof webhook !== "string" || typeof event !== "string" || !/^[0-9a-f]{32}$/.test(event)) return undefined;
  return Number.isSafeInteger(offset) ? { webhook, event, offset: offset as number } : undefined;
}

type Needed = Pick<JobCtx, "database" | "clock" | "webhooks" | "post" | "signal">;

/** Posts one event to one webhook; answers the status that took it. Throws what went wrong, in words that may be shown. */
export async function deliver(ctx: Needed, delivery: Delivery): Promise<{ status: number }> {
  const webhook = ctx.webhooks.find(delivery.webhook);
  // Not for good: nodes are brought up to date one after the other, and another one may have it.
  if (webhook === undefined) throw new Error("no such webhook is declared here");
  const [row] = await readEvent({ db: ctx.database }, { id: delivery.event, logOffset: delivery.offset });
  if (row === undefined) throw new FinalError("the event is no longer kept");
  const why = whyLeftAlone(webhook, ctx.clock.now());
  if (why !== undefined) throw new Error(`the webhook ${why} a moment ago, and is left alone for a while`);

  const event = toLoggedEvent(row);
  const body = bodyOf(event);
  const headers = {
    "content-type": "application/json",
    "user-agent": "backstay",
    ...signedHeaders(webhook, { id: event.id, at: ctx.clock.now(), body }),
  };
  const signal = AbortSignal.any([ctx.signal, AbortSignal.timeout(DEADLINE)]);
  const outcome = await ctx.post({ url: webhook.url, headers, body, signal });
  if ("failed" in outcome) {
    if (!ctx.signal.aborted) hasNotAnswered(webhook, outcome.failed, ctx.clock.now());
    throw new Error(`the webhook ${outcome.failed}`);
  }
  hasAnswered(webhook);
  const { status } = outcome;
  if (status === 410) throw new FinalError("the webhook is gone: it answered 410");
  if (status < 200 || status > 299) throw new Error(`the webhook answered ${status}`);
  return { status };
}

/** The data goes as it is in the log, digit by digit. */
function bodyOf({ id, type, topic, time, actorId, data }: LoggedEvent): string {
  const head = { id, type, topic, time: new Date(time).toISOString(), ...(actorId !== null && { actorId }) };
  return `${JSON.stringify(head).slice(0, -1)},"data":${data}}`;
}
