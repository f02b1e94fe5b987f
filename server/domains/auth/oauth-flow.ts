import { randomBytes } from "node:crypto";
import type { Ctx, KeptName, Ports } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { sameBytes } from "../../kernel/instance-key.js";
import { keepChallenge, readChallenge, takeChallenge } from "./challenges.js";
import { newToken, tokenHash } from "./tokens.js";

/** How long a browser may be away, in milliseconds. */
const FLOW_TTL = 10 * 60_000;
/** So many a browser keeps the tokens of: those of more tabs than that, the oldest, are begun again. */
const MOST_KEPT = 5;

/** Who is to answer, and what his answer must fit. */
type Awaited = Parameters<Ports["identityProviders"]["exchange"]>[1]["kept"];

/** What is remembered of a browser that was sent to a provider. */
export interface Flow {
  provider: string;
  /** Where the provider sends it back to. */
  redirectUri: string;
  /** Where it is to end. */
  redirectTo: string;
  /** Whether its return signs it in. */
  cookie: boolean;
  kept: Awaited;
}

interface KeptFlow extends Flow {
  state: string;
}

/** A flow that was begun. */
export interface NewFlow {
  url: string;
  /** Proves who began; the provider never sees it, unlike the state. */
  flowToken: string;
  expiresAt: Date;
}

/** Asks the provider where to send a browser, and keeps what its return must fit. Throws as `authorize` does. */
export async function beginFlow(ctx: Ctx, flow: Omit<Flow, "kept">): Promise<NewFlow> {
  const id = ctx.ids.next();
  const state = id + randomBytes(32).toString("base64url");
  const { provider, redirectUri } = flow;
  const { url, kept } = await ctx.identityProviders.authorize(provider, { redirectUri, state });
  const flowToken = newToken("flow");
  const data: KeptFlow = { ...flow, kept, state };
  const hash = tokenHash("flow", flowToken);
  const expiresAt = await keepChallenge(ctx, { id, kind: "oauth", tokenHash: hash, ttl: FLOW_TTL, data });
  if (flow.cookie) keepToken(ctx, state, flowToken);
  return { url, flowToken, expiresAt };
}

/** What a state is of: enough to lead its browser on, not to sign anybody in. Throws CHALLENGE_GONE. */
export async function findFlow(ports: Ports, provider: string, state: string): Promise<Flow> {
  const from = { db: ports.database, key: ports.key, clock: ports.clock };
  const kept = await readChallenge<KeptFlow>(from, { id: idOf(state), kind: "oauth" });
  return checked(kept, provider, state);
}

/** Takes a flow, once, for whoever shows its token. Throws CHALLENGE_GONE. */
export async function takeFlow(
  ctx: Ctx,
  { provider, state, flowToken }: { provider: string; state: string; flowToken: string },
): Promise<Flow> {
  // A browser that is to be signed in by its return holds the token itself.
  const token = flowToken || (ctx.kept.sent(keptName(state)) ?? "");
  const hash = tokenHash("flow", token);
  if (hash === undefined) throw new DomainError("CHALLENGE_GONE");
  const kept = await takeChallenge<KeptFlow>(ctx, { id: idOf(state), kind: "oauth", tokenHash: hash });
  if (kept.cookie) ctx.kept.clear(keptName(kept.state));
  return checked(kept, provider, state);
}

/** Gives the browser the token of a flow; each tab has its own, so that one that ends leaves the others. */
function keepToken(ctx: Ctx, state: string, flowToken: string): void {
  const others = ctx.kept.flows().sort();
  // Names begin with when they were made.
  for (const oldest of others.slice(0, Math.max(0, others.length + 1 - MOST_KEPT))) ctx.kept.clear(oldest);
  ctx.kept.set(keptName(state), flowToken, FLOW_TTL);
}

/** The beginning of its id, which says when it was begun, and is short: all cookies go with every call. */
function keptName(state: string): KeptName {
  return `flow_${state.slice(0, 16)}`;
}

function idOf(state: string): string {
  return state.slice(0, 32);
}

/** An answer of one provider never passes for another's. */
function checked(kept: KeptFlow, provider: string, state: string): Flow {
  const isOf = kept.provider === provider && sameBytes(Buffer.from(kept.state), Buffer.from(state));
  if (!isOf) throw new DomainError("CHALLENGE_GONE");
  return kept;
}
