import type { Person, TestBackstay } from "../../support/backstay.js";
import { curl, curlRefused, openDatabase, type Refused } from "../support.js";

/** A connection in its JSON form. */
export interface ConnectionJson {
  peerId: string;
  type: string;
  properties?: Record<string, unknown>;
  createTime: string;
  updateTime: string;
}

export interface UpdateJson {
  connection: { peerId: string; type: string; properties?: Record<string, unknown>; createTime?: string };
  updateMask?: string;
}

/** What people do to each other, by calls as curl makes them. */
export function callsOf(backstay: () => TestBackstay) {
  const service = "connections.v1.ConnectionService";
  const ask = <Answer>(who: Person, method: string, body: object) =>
    curl<Answer>(backstay(), `${service}/${method}`, body, who.token);
  const put = (who: Person, peer: Person, type: string, properties?: object) =>
    ask<{ connection: ConnectionJson; connected?: boolean }>(who, "PutConnection", {
      peerId: peer.id,
      type,
      ...(properties && { properties }),
    });
  return {
    ask,
    refused: (who: Person, method: string, body: object): Promise<Refused> =>
      curlRefused(backstay(), `${service}/${method}`, body, who.token),
    put: (...args: Parameters<typeof put>) => put(...args).then(({ connection }) => connection),
    connected: (...args: Parameters<typeof put>) => put(...args).then(({ connected = false }) => connected),
    update: (who: Person, request: UpdateJson) =>
      ask<{ connection: ConnectionJson }>(who, "UpdateConnection", request).then(({ connection }) => connection),
    /** What an account has connected to. */
    made: (who: Person) =>
      ask<{ connections?: ConnectionJson[] }>(who, "ListConnections", {}).then(({ connections = [] }) => connections),
    /** What has connected to it. */
    received: (who: Person) =>
      ask<{ connections?: ConnectionJson[] }>(who, "ListReferences", {}).then(({ connections = [] }) => connections),
    block: (who: Person, peer: Person) => ask<object>(who, "Block", { peerId: peer.id }),
    unblock: (who: Person, peer: Person) => ask<object>(who, "Unblock", { peerId: peer.id }),
    blocked: (who: Person) =>
      ask<{ blocks?: { peerId: string; createTime: string }[] }>(who, "ListBlocked", {}).then(
        ({ blocks = [] }) => blocks,
      ),
    /** Derived counters that are not 0, as an account reads its own. */
    counters: async (who: Person) => {
      const answer = await curl<{ counters?: Record<string, string> }>(
        backstay(),
        "counters.v1.CounterService/GetCounters",
        {},
        who.token,
      );
      const moved = Object.entries(answer.counters ?? {}).filter(([, value]) => value !== "0");
      return Object.fromEntries(moved.map(([name, value]) => [name, Number(value)]));
    },
    /** Events of an account's topic, once the log has all that was written, in the order they happened. */
    events: async (who: Person) => {
      const sql = openDatabase(backstay());
      for (;;) {
        const [waiting] = await sql`select 1 from backstay.outbox limit 1`;
        if (waiting === undefined) break;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      const rows = await sql`select type, replace(actor_id::text, '-', '') as "actorId", data from backstay.events
        where topic = ${`account/${who.id}`} and type like 'connection.%' order by log_offset`;
      return rows.map(({ type, actorId, data }) => ({ type: String(type), actorId: String(actorId), data }));
    },
  };
}
