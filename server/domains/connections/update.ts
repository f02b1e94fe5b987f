import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { fieldError } from "../../kernel/field-error.js";
import { parseId } from "../../kernel/ids.js";
import type { JsonObject } from "../../kernel/jobs.js";
import { ConstraintError, retried } from "../../platform/db/index.js";
import { callerAccount } from "../accounts/index.js";
import { checkProperties } from "./properties.js";
import type { ConnectionRow } from "./store-row.js";
import * as store from "./store-update.js";

export interface UpdateConnectionInput {
  peerId: string;
  type: string;
  properties: JsonObject | undefined;
  /** `properties`, or some of them as `properties.state`; none is all that are given. */
  paths: readonly string[];
}

/** What is to become of properties: keys with their values, and keys that go. */
interface Change {
  given: JsonObject;
  removed: string[];
}

const FIELD = "connection.properties";

/** Fields of a connection that stand in no request. */
const SERVER_SETS: readonly string[] = ["account", "createTime", "updateTime"];

/** Changes the properties of a connection of the caller's, or answers the peer's invite to him. */
export async function updateConnection(ctx: Ctx, input: UpdateConnectionInput): Promise<ConnectionRow> {
  const callerId = callerAccount(ctx);
  const change = pick(checkProperties(input.properties, FIELD), input.paths);
  const peerId = parseId(input.peerId);
  if (peerId === undefined) throw noConnection();

  const update = {
    ...change,
    callerId,
    type: input.type,
    peerId,
    answer: answerOf(change),
    at: ctx.clock.now(),
    peerEventId: ctx.ids.next(),
    ownEventId: ctx.ids.next(),
  };
  const [updated] = await retried(() => store.updateConnection(ctx, update)).catch(rethrowTooLarge);
  if (updated === undefined) throw noConnection();
  if (updated.refused) throw stateStays(updated.own, update.answer);
  if (updated.told) ctx.afterCommit(() => ctx.events.wake());
  return updated;
}

function pick(properties: JsonObject, paths: readonly string[]): Change {
  const keys = new Set(
    paths.length === 0 ? Object.keys(properties) : paths.flatMap((path) => keysAt(properties, path)),
  );
  if (keys.size === 0) {
    throw new DomainError("INVALID_MASK", "Nothing is to be changed: give properties.", { field: FIELD });
  }
  const isGiven = (key: string) => Object.hasOwn(properties, key) && properties[key] !== null;
  return {
    given: Object.fromEntries([...keys].filter(isGiven).map((key) => [key, properties[key]])),
    removed: [...keys].filter((key) => !isGiven(key)),
  };
}

/** The keys that a path of the mask names: in JSON it cannot tell `last_seen` from `lastSeen`, so those that are given decide. */
function keysAt(properties: JsonObject, path: string): string[] {
  const given = Object.keys(properties);
  if (path === "properties") return given;
  const [, key] = /^properties\.([^.]+)$/.exec(path) ?? [];
  if (key === undefined) {
    const name = camelCase(path);
    // A mask that REST makes of a body names what stands there.
    const field = SERVER_SETS.includes(name) ? `connection.${name}` : "updateMask";
    throw new DomainError("INVALID_MASK", `The field ${name} cannot be changed.`, { field });
  }
  const spelled = given.filter((name) => name === key || snakeCase(name) === key);
  return spelled.length > 0 ? spelled : [key, camelCase(key)];
}

const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const camelCase = (name: string) => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** The state that answers an invite, when the change is nothing else. */
function answerOf({ given, removed }: Change): string | undefined {
  const { state, ...others } = given;
  if (removed.length > 0 || Object.keys(others).length > 0) return undefined;
  return state === "accepted" || state === "declined" ? state : undefined;
}

/** Why the state of an invite stays as it is. */
function stateStays(own: boolean, answer: string | undefined): DomainError {
  return new DomainError("INVITE_STATE", whyStateStays(own, answer), { field: `${FIELD}.state` });
}

function whyStateStays(own: boolean, answer: string | undefined): string {
  if (own) {
    return "This is the invite that the caller has made himself; the invited one alone answers it. To answer an invite of the same account, delete this one first.";
  }
  if (answer === undefined)
    return "An invite is answered by `state` alone, `accepted` or `declined`, with nothing besides.";
  return "This invite has been answered already; it is answered once.";
}

function rethrowTooLarge(error: unknown): never {
  if (error instanceof ConstraintError && error.constraint === "connections_properties_size") {
    throw fieldError(
      "INVALID_FIELD",
      FIELD,
      "at most 16 KiB as JSON with those that stay, as the database writes them",
    );
  }
  throw error;
}

function noConnection(): DomainError {
  return new DomainError("CONNECTION_NOT_FOUND", undefined, { field: "connection.peerId" });
}
