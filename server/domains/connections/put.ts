import type { Ctx } from "../../context.js";
import { BUILT_IN_TYPES } from "../../kernel/counters.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import type { JsonObject } from "../../kernel/jobs.js";
import { ConstraintError, findKeys, replayedResource, retried } from "../../platform/db/index.js";
import { callerAccount } from "../accounts/index.js";
import { countersMoved } from "../counters/index.js";
import { isConnectedByNow } from "./connected-by-now.js";
import { whileCrossing } from "./crossing.js";
import { beginInvite } from "./invite.js";
import { checkProperties } from "./properties.js";
import { putGathered } from "./put-gathered.js";
import * as store from "./store-put.js";
import type { ConnectionRow } from "./store-row.js";

export interface PutConnectionInput {
  peerId: string;
  type: string;
  createOnly: boolean;
  properties?: JsonObject | undefined;
}

/** A connection as its owner sees it, and whether the peer has made one of its type to him. */
export interface PutConnection {
  connection: ConnectionRow;
  connected: boolean;
}

/** Makes a connection, or replaces it. */
export async function putConnection(ctx: Ctx, input: PutConnectionInput): Promise<PutConnection> {
  const accountId = callerAccount(ctx);
  const { type } = input;
  checkType(ctx, type);
  const peerId = input.peerId === "me" ? accountId : parseId(input.peerId);
  if (peerId === undefined) throw noPeer();
  if (peerId === accountId) throw new DomainError("CONNECTION_TO_SELF", undefined, { field: "peerId" });
  const properties = beginInvite(type, checkProperties(input.properties, "properties"));
  const connection = {
    id: ctx.ids.next(),
    accountId,
    type,
    peerId,
    properties,
    at: ctx.clock.now(),
    eventId: ctx.ids.next(),
  };
  const write = input.createOnly ? create : putGathered;
  const { put, crossed } = await whileCrossing(ctx, connection, () =>
    write(ctx, connection, onceOf(ctx, connection.id)).catch(rethrowRefused),
  );

  if (put.peer === null) throw noPeer();
  if (put.createdAt === null) return repeated(ctx, connection, input.createOnly);
  if (put.isNew) countersMoved(ctx, accountId);
  // What is withheld from him is remembered with his counters.
  if (put.isNew || put.isShown) countersMoved(ctx, peerId);
  ctx.afterCommit(() => ctx.events.wake());
  // Two who connect to each other at once do not see each other: whoever is last looks again, when it may be he.
  const mayBeLast = crossed || (ctx.bus.isShared && (put.isNew === true || put.isShown === true));
  const connected = put.connected || (mayBeLast && (await isConnectedByNow(ctx, connection)));
  const { createdAt } = put;
  return { connection: { peerId, type, properties, createdAt, updatedAt: put.updatedAt! }, connected };
}

function onceOf({ idempotency }: Ctx, resourceId: string): store.Once | undefined {
  if (idempotency === undefined) return undefined;
  const { scope, key, hash: requestHash } = idempotency;
  return { scope, key, requestHash, resourceId };
}

async function create(ctx: Ctx, connection: store.NewConnection, once: store.Once | undefined): Promise<store.Put> {
  const written = () =>
    once === undefined
      ? store.createConnection(ctx, connection)
      : store.createConnectionOnce(ctx, { ...connection, ...once });
  return (await retried(written))[0]!;
}

/** What a put answers whose key was used, or that was to make what is there: the connection it made or replaced when it was sent before. */
async function repeated(ctx: Ctx, connection: store.NewConnection, createOnly: boolean): Promise<PutConnection> {
  const { idempotency } = ctx;
  if (idempotency === undefined) throw exists();
  const { scope, key } = idempotency;
  if ((await findKeys(ctx, { scopes: [scope], key })).length === 0) throw exists();
  const madeAs = await replayedResource(ctx, idempotency);
  const [found] = await store.findPut(ctx, connection);
  if (found === undefined || (createOnly && found.id !== madeAs)) throw new DomainError("CONNECTION_NOT_FOUND");
  const { id: _, connected, ...row } = found;
  return { connection: row, connected };
}

function checkType(ctx: Ctx, type: string): void {
  const { types } = ctx.settings.connections;
  if (types === "any" || BUILT_IN_TYPES.includes(type) || types.includes(type)) return;
  throw new DomainError("INVALID_FIELD", "This installation takes no connections of this type.", { field: "type" });
}

function rethrowRefused(error: unknown): never {
  if (!(error instanceof ConstraintError)) throw error;
  // One of the two was there when the statement began, and was deleted while it waited.
  if (error.kind === "foreign_key") throw noPeer();
  if (error.kind === "unique") throw exists();
  throw error;
}

function exists(): DomainError {
  return new DomainError("CONNECTION_EXISTS");
}

function noPeer(): DomainError {
  return new DomainError("ACCOUNT_NOT_FOUND", undefined, { field: "peerId" });
}
