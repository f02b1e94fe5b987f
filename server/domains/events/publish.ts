import type { Ctx, Idempotency, Ports } from "../../context.js";
import { adminCalled } from "../../kernel/admin-call.js";
import { DomainError } from "../../kernel/errors.js";
import { isReservedType } from "../../kernel/event-types.js";
import { idAt, parseId, timeOf } from "../../kernel/ids.js";
import { checkDepth, checkText, writtenBytes } from "../../kernel/json-text.js";
import { replayedResource } from "../../platform/db/index.js";
import type { LoggedEvent } from "../../platform/events/index.js";
import { accountOfTopic, isServerTopic, mayPublish, strangerOfTopic, topicName } from "./rights.js";
import * as store from "./store.js";

const PUBLISH = "backstay.events.v1.EventService/Publish";
const MOST_BYTES = 64 * 1024;
const TOPIC = /^[a-z][a-z0-9_-]{0,31}(\/[A-Za-z0-9._-]{1,64}){1,4}$/;
const TYPE = /^(?=.{1,100}$)([a-z][a-z0-9_]{0,31}\.)+[a-z][a-z0-9_]{0,31}$/;

export interface PublishInput {
  topic: string;
  type: string;
  data?: object | undefined;
  ephemeral: boolean;
}

/** Says something in a topic, as a caller of the API. */
export async function publish(ctx: Ctx, input: PublishInput): Promise<LoggedEvent> {
  const topic = topicName(ctx, input.topic || "account/me", "topic");
  if (!(await mayPublish(ctx, topic))) throw new DomainError("TOPIC_FORBIDDEN", undefined, { field: "topic" });
  refuseReserved(input.type);
  const actorId = ctx.caller.kind === "account" ? ctx.caller.accountId : undefined;
  const draft = { topic, type: input.type, data: toText(input.data), actorId: actorId ?? null };
  const say = (inner: Ctx) => (input.ephemeral ? tell(inner, draft, inner.idempotency) : append(inner, draft));
  const ownerId = strangerOfTopic(ctx, topic);
  if (ownerId === undefined) return say(ctx);
  const noted = (inner: Ctx) => inner.audit.record(inner, adminCalled(PUBLISH, ownerId));
  if (input.ephemeral) {
    // It cannot be taken back, so it is noted before.
    await noted(ctx);
    return say(ctx);
  }
  const sayNoted = async (inner: Ctx) => {
    const event = await say(inner);
    await noted(inner);
    return event;
  };
  return ctx.transaction(sayNoted, { retry: 3 });
}

/** What an app says by its own code. */
export interface AppEvent {
  topic: string;
  type: string;
  data?: object;
  /** Whether it is of the moment only. */
  ephemeral?: boolean;
  /** The account that did it. */
  actorId?: string;
}

/**
 * Says something in any topic, as the app itself. The server's own topics and types are not for apps: whoever hears one may rely on what
 * the server did. Throws INVALID_FIELD, TOPIC_FORBIDDEN, RESERVED_TYPE, EVENT_TOO_LARGE, ACCOUNT_NOT_FOUND.
 */
export async function publishEvent(
  ports: Pick<Ports, "database" | "ids" | "clock" | "events" | "key">,
  input: AppEvent,
): Promise<LoggedEvent> {
  if (!TOPIC.test(input.topic)) throw new DomainError("INVALID_FIELD", undefined, { field: "topic" });
  if (isServerTopic(input.topic)) throw new DomainError("TOPIC_FORBIDDEN", undefined, { field: "topic" });
  if (!TYPE.test(input.type)) throw new DomainError("INVALID_FIELD", undefined, { field: "type" });
  refuseReserved(input.type);
  const actorId = input.actorId === undefined ? null : parseId(input.actorId);
  if (actorId === undefined) throw new DomainError("INVALID_FIELD", undefined, { field: "actorId" });
  const draft = { topic: input.topic, type: input.type, data: toText(input.data), actorId };
  if (input.ephemeral) return tell(ports, draft, undefined);
  const { database: db, ids, clock, events } = ports;
  return append({ db, ids, clock, events, idempotency: undefined, afterCommit: (effect) => effect() }, draft);
}

type Draft = Pick<LoggedEvent, "topic" | "type" | "data" | "actorId">;

/** Writes an event to the log. */
async function append(
  ctx: Pick<Ctx, "db" | "ids" | "clock" | "events" | "idempotency" | "afterCommit">,
  draft: Draft,
): Promise<LoggedEvent> {
  const ownerId = accountOfTopic(draft.topic);
  // A topic that begins like an account's and names none can have no listener.
  if (ownerId === null) throw noAccount();
  const at = ctx.clock.now();
  // A repeat of the call has only the id, and is to answer the time as well.
  const event = { ...draft, id: idAt(at, ctx.ids.next()), time: at.getTime(), offset: 0 };
  const publication = {
    ownerId,
    eventId: event.id,
    topics: [draft.topic],
    eventType: draft.type,
    actorId: draft.actorId ?? undefined,
    eventData: JSON.parse(draft.data),
    at,
  };
  const { hasOwner, isNew } = await appendOnce(ctx, publication);
  if (!hasOwner) throw noAccount();
  if (isNew) {
    ctx.afterCommit(() => ctx.events.wake());
    return event;
  }
  const id = await replayedResource(ctx, ctx.idempotency!);
  return { ...event, id, time: timeOf(id) };
}

async function appendOnce(
  ctx: Pick<Ctx, "db" | "idempotency">,
  publication: store.NewPublication,
): Promise<store.Published> {
  const { idempotency } = ctx;
  if (idempotency === undefined) return (await store.appendEvent(ctx, publication))[0]!;
  const { scope, key, hash: requestHash } = idempotency;
  const resourceId = publication.eventId;
  return (await store.appendEventOnce(ctx, { ...publication, scope, key, requestHash, resourceId }))[0]!;
}

/** Brings an event to whoever listens now. */
function tell(
  ctx: Pick<Ports, "ids" | "clock" | "events" | "key">,
  draft: Draft,
  idempotency: Idempotency | undefined,
): LoggedEvent {
  // Nothing is kept, so a repeat goes out again: by the same id, which is how whoever heard it knows it.
  const id = idempotency === undefined ? ctx.ids.next() : idOfKey(ctx, idempotency);
  const event = { ...draft, id, time: ctx.clock.now().getTime() };
  ctx.events.tell(event);
  return { ...event, offset: 0 };
}

function idOfKey({ key }: Pick<Ports, "key">, { scope, key: name, hash }: Idempotency): string {
  const bytes = key.mac("idempotency", `ephemeral ${scope} ${name} ${hash.toString("hex")}`).subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString("hex");
}

function refuseReserved(type: string): void {
  if (isReservedType(type)) throw new DomainError("RESERVED_TYPE", undefined, { field: "type" });
}

/** The data as JSON. Throws INVALID_FIELD, EVENT_TOO_LARGE, NUL_IN_TEXT, INVALID_UTF8. */
function toText(data: object = {}): string {
  const text = JSON.stringify(data);
  checkText(text, "data");
  if (writtenBytes(data, text) > MOST_BYTES) throw new DomainError("EVENT_TOO_LARGE", undefined, { field: "data" });
  checkDepth(text, "data");
  return text;
}

function noAccount(): DomainError {
  return new DomainError("ACCOUNT_NOT_FOUND", undefined, { field: "topic" });
}
