import type { Ctx } from "../../context.js";
import { isAdmin } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import type { TopicCaller } from "../../kernel/topics.js";
import { accountTopic } from "../../platform/events/index.js";

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

/** Whether the caller may publish to a topic by the API. */
export async function mayPublish(ctx: Ctx, name: string): Promise<boolean> {
  if (isAdmin(ctx.caller) || name === ownTopic(ctx)) return true;
  const caller = topicCaller(ctx);
  return caller !== undefined && ((await ctx.topics.find(name)?.may("publish", caller)) ?? false);
}

/** The rights to one topic. Throws TOPIC_FORBIDDEN, of `field`. */
export async function followedTopic(ctx: Ctx, name: string, field = "topics"): Promise<FollowedTopic> {
  const declared = ctx.topics.find(name);
  const presence = declared?.presence ?? false;
  if (isAdmin(ctx.caller) || name === ownTopic(ctx)) return { name, history: true, presence };
  const caller = topicCaller(ctx);
  // A topic that is not declared is refused as one whose rule says no: nobody learns which there are.
  if (declared === undefined || caller === undefined || !(await declared.may("subscribe", caller))) {
    throw new DomainError("TOPIC_FORBIDDEN", undefined, { field });
  }
  return { name, history: await declared.may("history", caller), presence };
}

function ownTopic({ caller }: Ctx): string | undefined {
  return caller.kind === "account" ? accountTopic(caller.accountId) : undefined;
}

function topicCaller({ caller }: Ctx): TopicCaller | undefined {
  return caller.kind === "account" ? { accountId: caller.accountId, roles: caller.roles } : undefined;
}
