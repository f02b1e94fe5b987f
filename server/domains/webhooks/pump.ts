import type { Ports } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import type { NewJob } from "../../kernel/jobs.js";
import type { Webhook } from "../../kernel/webhooks.js";
import { ConflictError, type Db } from "../../platform/db/index.js";
import { accountOfWithheld, type EventTitle, findPruned, readHead, readTitles } from "../../platform/events/index.js";
import type { Delivery } from "./deliver.js";
import * as store from "./store.js";

/** The job that delivers. */
export const DELIVER = "backstay.webhooks.deliver";

/** Events that one transaction looks at. */
const BATCH = 500;
/** Milliseconds between two looks at what this node has heard of, and between two at the database when that is nothing. */
const LOOK_EVERY = 250;
const NET_EVERY = 5_000;
/** How often it is said that the webhooks are there. */
const SAY_EVERY = 3_600_000;

/** Makes jobs of events, for the webhooks of this node. */
export interface WebhookPump {
  /** From when it resolves on nothing is missed. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

type Needed = Pick<Ports, "database" | "events" | "jobs" | "webhooks" | "log">;

/**
 * Goes through the event log for each webhook, and submits a job for every event that it is for, in the transaction that moves
 * the webhook's place in the log on. Whatever dies when, each event has one job for each webhook; any number of nodes may do this.
 */
export function createWebhookPump({ database, events, jobs, webhooks, log }: Needed): WebhookPump {
  const known = new Set<string>();
  const warned = new Set<string>();
  let stopped = true;
  let timer: NodeJS.Timeout | undefined;
  let turn: Promise<void> | undefined;
  /** What this node had heard of when nothing was left to do. */
  let done = -1;
  let netAt = 0;
  let sayAt = 0;

  /** A webhook that is new begins where the log ends. */
  const ensureCursors = async () => {
    const isDue = performance.now() >= sayAt;
    const ids = webhooks.all().flatMap(({ id }) => (isDue || !known.has(id) ? [id] : []));
    if (ids.length === 0) return;
    const { epoch, lastOffset } = (await readHead({ db: database }, {}))[0]!;
    await store.ensureCursors({ db: database }, { ids, epoch, logOffset: lastOffset });
    for (const id of ids) known.add(id);
    if (isDue) sayAt = performance.now() + SAY_EVERY;
  };

  /** One batch of one webhook; answers whether nothing is left, as far as could be seen. */
  const step = (webhook: Webhook): Promise<Step> =>
    inTransaction(async (ctx) => {
      const [cursor] = await store.lockCursor(ctx, { id: webhook.id });
      if (cursor === undefined) return "taken";
      const { epoch, lastOffset } = (await readHead(ctx, {}))[0]!;
      if (cursor.epoch !== epoch || cursor.logOffset > lastOffset) {
        await store.moveCursor(ctx, { id: webhook.id, epoch, logOffset: lastOffset });
        return "done";
      }
      if (cursor.logOffset === lastOffset) return "done";
      const page = await readPage(ctx, cursor.logOffset, lastOffset);
      if (page.hasHoles && (await findPruned(ctx, { after: cursor.logOffset })).length > 0) tellLoss(webhook);
      await submit(ctx, webhook, page.events);
      await store.moveCursor(ctx, { id: webhook.id, epoch, logOffset: page.upTo });
      return page.upTo < lastOffset ? "more" : "done";
    });

  const inTransaction = async <T>(work: (ctx: { db: Db; afterCommit(effect: () => void): void }) => Promise<T>) => {
    const effects: (() => void)[] = [];
    const result = await database.transaction((db) => work({ db, afterCommit: (effect) => effects.push(effect) }));
    for (const effect of effects) effect();
    return result;
  };

  /**
   * An event stands in the log once for each of its topics: it is delivered by the first that the webhook is for. One that is withheld
   * from whom it concerns stands under its actor's topic too, where nothing tells it from others: only who asks for what is withheld
   * gets it, under that name.
   */
  const submit = async (
    ctx: Parameters<Ports["jobs"]["submit"]>[0],
    webhook: Webhook,
    found: readonly EventTitle[],
  ) => {
    const deliveries = new Map<string, NewJob>();
    const withheld = new Set(found.flatMap(({ id, topic }) => (isWithheldTopic(topic) ? [id] : [])));
    for (const { id, type, topic, logOffset } of found) {
      const isTellable = !withheld.has(id) || isWithheldTopic(topic);
      if (deliveries.has(id) || !isTellable || !webhook.wants({ type, topic })) continue;
      const args = { webhook: webhook.id, event: id, offset: Number(logOffset) } satisfies Delivery;
      deliveries.set(id, { name: DELIVER, args });
    }
    if (deliveries.size > 0) await jobs.submit(ctx, [...deliveries.values()]);
  };

  const tellLoss = ({ id }: Webhook) => {
    if (warned.has(id)) return;
    warned.add(id);
    log.warn({ webhook: id }, "events are no longer kept that this webhook was to have; it goes on after them");
  };

  const work = async () => {
    const seen = events.published();
    if (webhooks.all().length === 0 || (seen === done && performance.now() < netAt)) return;
    await ensureCursors();
    let isDone = true;
    for (const webhook of webhooks.all()) {
      let left: Step = "more";
      while (left === "more" && !stopped) left = await step(webhook);
      // Whoever has it may die before it is through.
      if (left !== "done") isDone = false;
    }
    netAt = performance.now() + NET_EVERY;
    if (isDone) done = seen;
  };

  const look = () => {
    turn = work()
      .catch((error) => {
        // A database that is away is nothing to look into.
        if (error instanceof DomainError || error instanceof ConflictError) return;
        log.error(describe(error), "events were not taken to the webhooks; it is tried again");
      })
      .then(() => {
        if (!stopped) timer = setTimeout(look, LOOK_EVERY).unref();
      });
  };

  return {
    async start() {
      await ensureCursors();
      stopped = false;
      look();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await turn;
    },
  };
}

function isWithheldTopic(topic: string): boolean {
  return accountOfWithheld(topic) !== undefined;
}

/** Nothing is left, more is there, or another node is at it. */
type Step = "done" | "more" | "taken";

interface Page {
  readonly events: readonly EventTitle[];
  /** The offset it reaches to. */
  readonly upTo: bigint;
  /** Whether the log has forgotten some of it. */
  readonly hasHoles: boolean;
}

/** The next events, with all the topics of each. */
async function readPage(ctx: { db: Db }, after: bigint, lastOffset: bigint): Promise<Page> {
  const rows = await readTitles(ctx, { after, upTo: lastOffset, limit: BATCH });
  const last = rows.at(-1);
  if (rows.length < BATCH || last === undefined || last.logOffset === lastOffset) {
    return pageOf(rows, after, lastOffset);
  }
  // Of the last event some topics may be missing: it comes with the next page.
  const whole = rows.filter(({ id }) => id !== last.id);
  return whole.length === 0 ? pageOf(rows, after, last.logOffset) : pageOf(whole, after, whole.at(-1)!.logOffset);
}

function pageOf(events: readonly EventTitle[], after: bigint, upTo: bigint): Page {
  return { events, upTo, hasHoles: BigInt(events.length) < upTo - after };
}

function describe(error: unknown): object {
  return error instanceof Error ? { error: error.name, message: error.message, stack: error.stack } : {};
}
