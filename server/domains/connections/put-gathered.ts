import { type Gathering, gathering } from "../../kernel/gathering.js";
import { type Database, type Db, retried } from "../../platform/db/index.js";
import * as store from "./store-put.js";
import { putConnections } from "./store-put-many.js";

/** Statements that connect at once, from one node; who comes meanwhile goes together with the next. */
const ABREAST = 4;
const MOST = 100;
/** Longer than any statement that does not wait for somebody's lock. */
const PATIENCE_MS = 50;

/** A connection to make, and the key it may be repeated with, if it has one. */
interface Asked {
  readonly connection: store.NewConnection;
  readonly once: store.Once | undefined;
}

const gatherings = new WeakMap<Database, Gathering<Asked, store.Put>>();

/**
 * Makes a connection, or replaces it. Where many do so in the same moment they share a statement, and its commit: a hundred then cost
 * the database little more than a few. What each is answered is the same.
 */
export function putGathered(
  ctx: { readonly db: Db; readonly database: Database },
  connection: store.NewConnection,
  once: store.Once | undefined,
): Promise<store.Put> {
  const alone = () =>
    once === undefined
      ? store.putConnection(ctx, connection)
      : store.putConnectionOnce(ctx, { ...connection, ...once });
  return gatheringOf(ctx.database).run({ connection, once }, () => retried(async () => (await alone())[0]!));
}

function gatheringOf(database: Database): Gathering<Asked, store.Put> {
  const known = gatherings.get(database);
  if (known !== undefined) return known;
  const made = gathering<Asked, store.Put>({
    abreast: ABREAST,
    most: MOST,
    patienceMs: PATIENCE_MS,
    about: ({ connection: { accountId, type, peerId } }) => `${accountId} ${type} ${peerId}`,
    // It is nobody's own: who hangs up ends it for none of the others.
    together: (asked) => retried(() => putTogether(database, asked)),
  });
  gatherings.set(database, made);
  return made;
}

async function putTogether(database: Database, asked: readonly Asked[]): Promise<(store.Put | undefined)[]> {
  const connections = asked.map(({ connection }) => connection);
  const rows = await putConnections(
    { db: database },
    {
      accountIds: connections.map(({ accountId }) => accountId),
      types: connections.map(({ type }) => type),
      peerIds: connections.map(({ peerId }) => peerId),
      ids: connections.map(({ id }) => id),
      eventIds: connections.map(({ eventId }) => eventId),
      properties: connections.map(({ properties }) => JSON.stringify(properties)),
      times: connections.map(({ at }) => at.toISOString()),
      scopes: asked.map(({ once }) => once?.scope ?? null),
      keys: asked.map(({ once }) => once?.key ?? null),
      requestHashes: asked.map(({ once }) => once?.requestHash.toString("hex") ?? null),
    },
  );
  const byId = new Map(rows.map(({ id, ...put }) => [id, put]));
  return connections.map(({ id }) => byId.get(id));
}
