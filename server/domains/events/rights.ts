import type { Ctx } from "../../context.js";
import { isAdmin } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import type { Topic, TopicCaller } from "../../kernel/topics.js";
import { accountOfWithheld, accountTopic } from "../../platform/events/index.js";

/** Milliseconds for which a rule is waited for. */
const RULE_TIMEOUT = 5_000;

/** A topic the caller may follow. */
export interface FollowedTopic {
  readonly name: string;
  /** Whether he may read what happened before he came. */
  readonly history: boolean;
  /** Whether its followers are listed. */
  readonly presence: boolean;
}

/** The topics asked for, the caller's own when there are none. Throws TOPIC_FORBIDDEN, ACCOUNT_REQUIRED. */
export async function followedTopics(ctx: Ctx, asked: readonly string[]): Promise<FollowedTopic[]> {
  const names = (asked.length === 0 ? ["account/me"] : asked).map((name) => topicName(ctx, name, "topics"));
  return Promise.all([...new Set(names)].map((name) => followedTopic(ctx, name)));
}

/**
 * A topic's name as the log has it: `account/me` is the caller's own, and an account's id may have dashes. Throws
 * ACCOUNT_REQUIRED, of `field`.
 */
export function topicName(ctx: Ctx, asked: string, field: string): string {
  const own = ownTopic(ctx);
  if (asked === "account/me" && own === undefined) throw new DomainError("ACCOUNT_REQUIRED", undefined, { field });
  if (asked === "account/me") return own!;
  const accountId = accountOfTopic(asked);
  return accountId ? accountTopic(accountId) : asked;
}

/** Whose a topic is: null for the name of an account's topic that can be nobody's, undefined for topics of other kinds. */
export function accountOfTopic(name: string): string | null | undefined {
  return name.startsWith("account/") ? (parseId(name.slice("account/".length)) ?? null) : undefined;
}

/** The account whose topic a caller comes to as an administrator: one that is not his own, or of what is withheld from others. */
export function strangerOfTopic({ caller }: Pick<Ctx, "caller">, name: string): string | undefined {
  const accountId = accountOfTopic(name) ?? parseId(accountOfWithheld(name) ?? "");
  return caller.kind === "account" && caller.accountId === accountId ? undefined : accountId;
}

/** Whether a topic is the server's own: whoever hears something there may rely on the server having said it. */
export function isServerTopic(name: string): boolean {
  return name.startsWith("system/");
}

/** Whether the caller may publish to a topic by the API. */
export async function mayPublish(ctx: Ctx, name: string): Promise<boolean> {
  if (isServerTopic(name)) return false;
  if (isAdmin(ctx.caller) || name === ownTopic(ctx)) return true;
  const caller = topicCaller(ctx);
  const declared = ctx.topics.find(name);
  return caller !== undefined && declared !== undefined && (await askInTime(declared, name, "publish", caller));
}

/** The rights to one topic. Throws TOPIC_FORBIDDEN, of `field`. */
export async function followedTopic(ctx: Ctx, name: string, field = "topics"): Promise<FollowedTopic> {
  const declared = ctx.topics.find(name);
  const presence = declared?.presence ?? false;
  if (isAdmin(ctx.caller) || name === ownTopic(ctx)) return { name, history: true, presence };
  const caller = topicCaller(ctx);
  // A topic that is not declared is refused as one whose rule says no: nobody learns which there are.
  if (declared === undefined || caller === undefined || !(await askInTime(declared, name, "subscribe", caller))) {
    throw new DomainError("TOPIC_FORBIDDEN", undefined, { field });
  }
  return { name, history: await askInTime(declared, name, "history", caller), presence };
}

/** An app's rule may never answer: that is a defect of it, as when it fails, and lets nobody in. */
async function askInTime(topic: Topic, name: string, what: Parameters<Topic["may"]>[0], caller: TopicCaller) {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const message = `the rule ${what} of the topic ${name} did not answer within ${RULE_TIMEOUT} ms`;
    timer = setTimeout(() => reject(new Error(message)), RULE_TIMEOUT);
  });
  try {
    return await Promise.race([topic.may(what, caller), late]);
  } finally {
    clearTimeout(timer);
  }
}

function ownTopic({ caller }: Ctx): string | undefined {
  return caller.kind === "account" ? accountTopic(caller.accountId) : undefined;
}

function topicCaller({ caller }: Ctx): TopicCaller | undefined {
  return caller.kind === "account" ? { accountId: caller.accountId, roles: caller.roles } : undefined;
}
