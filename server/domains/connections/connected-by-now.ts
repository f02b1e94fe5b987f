import { type Gathering, gathering } from "../../kernel/gathering.js";
import type { Database } from "../../platform/db/index.js";
import { type Between, findConnected } from "./store-connected.js";

const gatherings = new WeakMap<Database, Gathering<Between, boolean>>();

/** Whether the peer has made such a connection by now. Where many ask in the same moment they share a statement. */
export async function isConnectedByNow(ctx: { readonly database: Database }, between: Between): Promise<boolean> {
  const { database } = ctx;
  const known = gatherings.get(database) ?? lookingIn(database);
  gatherings.set(database, known);
  // What the caller has asked for is done: he is not refused because this cannot be looked up.
  return known.run(between, async () => (await look(database, [between]))[0]!).catch(() => false);
}

function lookingIn(database: Database): Gathering<Between, boolean> {
  return gathering({
    abreast: 4,
    most: 100,
    patienceMs: 50,
    about: ({ accountId, type, peerId }) => `${accountId} ${type} ${peerId}`,
    together: (asked) => look(database, asked),
  });
}

async function look(db: Database, asked: readonly Between[]): Promise<boolean[]> {
  const rows = await findConnected(
    { db },
    {
      accountIds: asked.map(({ accountId }) => accountId),
      types: asked.map(({ type }) => type),
      peerIds: asked.map(({ peerId }) => peerId),
    },
  );
  return rows.map(({ connected }) => connected);
}
