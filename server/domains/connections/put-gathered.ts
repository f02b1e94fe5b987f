import { type Gathering, gathering } from "../../kernel/gathering.js";
import { type Database, type Db, retried } from "../../platform/db/index.js";
import * as store from "./store-put.js";
import { putConnections } from "./store-put-many.js";

/** Statements that connect at once, from one node; who comes meanwhile goes together with the next. */
const ABREAST = 4;
const MOST = 100;
/** Longer than any statement that does not wait for somebody's lock. */
const PATIENCE_MS = 50;

const gatherings = new WeakMap<Database, Gathering<store.NewConnection, store.Put>>();

/**
 * Makes a connection, or replaces it. Where many do so in the same moment they share a statement, and its commit: a hundred then cost
 * the database little more than a few. What each is answered is the same.
 */
export function putGathered(
  ctx: { readonly db: Db; readonly database: Database },
  connection: store.NewConnection,
): Promise<store.Put> {
  return gatheringOf(ctx.database).run(connection, () =>
    retried(async () => (await store.putConnection(ctx, connection))[0]!),
  );
}

function gatheringOf(database: Database): Gathering<store.NewConnection, store.Put> {
  const known = gatherings.get(database);
  if (known !== undefined) return known;
  const made = gathering<store.NewConnection, store.Put>({
    abreast: ABREAST,
    most: MOST,
    patienceMs: PATIENCE_MS,
    about: ({ accountId, type, peerId }) => `${accountId} ${type} ${peerId}`,
    // It is nobody's own: who hangs up ends it for none of the others.
    together: (connections) => retried(() => putTogether(database, connections)),
  });
  gatherings.set(database, made);
  return made;
}

async function putTogether(
  database: Database,
  connections: readonly store.NewConnection[],
): Promise<(store.Put | undefined)[]> {
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
    },
  );
  const byId = new Map(rows.map(({ id, ...put }) => [id, put]));
  return connections.map(({ id }) => byId.get(id));
}
