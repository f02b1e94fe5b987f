import { call } from "../../support/backstay.js";
import { bearer, refusedJson } from "../support.js";
import type { Answer, Look, Seen } from "./model.js";
import type { Command } from "./model-commands.js";

/** An account that acts. */
export interface Actor {
  readonly id: string;
  readonly token: string;
}

type Json = Record<string, unknown>;

interface ConnectionJson {
  readonly peerId: string;
  readonly type: string;
  readonly properties?: Seen["properties"];
  readonly createTime: string;
  readonly updateTime: string;
}

/** Makes an account without a login. */
export async function makeActor(url: string): Promise<Actor> {
  const { status, json } = await call(url, "auth.v1.AuthService/SignInAnonymously", {});
  if (status !== 200) throw new Error(`no account: ${JSON.stringify(json)}`);
  const { account, tokens } = json as { account: { id: string }; tokens: { accessToken: string } };
  return { id: account.id, token: tokens.accessToken };
}

/** Has an account do something; answers what the model answers, or why it was refused. Rejects when there is no answer. */
export async function perform(
  url: string,
  actor: Actor,
  command: Command,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const [path, body, read] = asked(command);
  const { status, json } = await call(url, path, body, { ...bearer(actor.token), ...headers });
  return status === 200 ? read(json) : { refused: refusedJson(json).reason };
}

type Asked = [path: string, body: object, read: (json: Json) => Answer];

function asked(command: Command): Asked {
  switch (command.verb) {
    case "put": {
      const { to, type, properties, createOnly } = command;
      return ["connections.v1.ConnectionService/PutConnection", { peerId: to, type, properties, createOnly }, readPut];
    }
    case "update": {
      const { to, type, properties, only } = command;
      const body = { connection: { peerId: to, type, properties }, ...(only && { updateMask: `properties.${only}` }) };
      return ["connections.v1.ConnectionService/UpdateConnection", body, readUpdate];
    }
    case "delete":
      return [
        "connections.v1.ConnectionService/DeleteConnections",
        { peerId: command.to, type: command.type },
        readCount,
      ];
    case "block":
      return ["connections.v1.ConnectionService/Block", { peerId: command.to }, () => ({})];
    case "unblock":
      return ["connections.v1.ConnectionService/Unblock", { peerId: command.to }, () => ({})];
    case "increment": {
      const body = { accountId: command.to, deltas: { ping: command.amount } };
      return ["counters.v1.CounterService/IncrementCounters", body, readCounters];
    }
    case "putCounters":
      return [
        "counters.v1.CounterService/PutCounters",
        { counters: { ping: command.ping } },
        (json) => countersOf(json),
      ];
    case "send":
      return ["messages.v1.MessageService/SendMessage", { recipientId: command.to, text: command.text }, readSent];
    case "read":
      return ["messages.v1.MessageService/ListUnread", { markRead: true, pageSize: 500 }, readTexts];
    case "deleteMessages":
      return ["messages.v1.MessageService/DeleteMessages", { senderId: command.from }, readCount];
    case "deleteAccount":
      return ["accounts.v1.AccountService/DeleteAccount", { id: "me" }, () => ({})];
  }
}

const readPut = (json: Json) => ({ ...readUpdate(json), connected: json.connected ?? false });
const readUpdate = (json: Json) => ({ connection: seen(json.connection as ConnectionJson) });
const readCount = (json: Json) => ({ deletedCount: json.deletedCount ?? 0 });
const readSent = (json: Json) => ({ text: (json.message as { text: string }).text });
const readTexts = (json: Json) => ({ texts: textsOf((json.messages ?? []) as { text: string }[]) });
const textsOf = (messages: { text: string }[]) => messages.map(({ text }) => text);
const readCounters = (json: Json) => ({ counters: countersOf(json) });

function seen({ peerId, type, properties = {}, createTime, updateTime }: ConnectionJson): Seen {
  return { peerId, type, properties, createdAt: Date.parse(createTime), updatedAt: Date.parse(updateTime) };
}

/** An answer's counters as numbers, by name. */
function countersOf(json: Json): Record<string, number> {
  const counters = (json.counters ?? {}) as Record<string, string>;
  return Object.fromEntries(Object.entries(counters).map(([name, value]) => [name, Number(value)]));
}

/** What an account sees of the graph. */
export function viewOf(url: string, actor: Actor) {
  const ask = async (path: string, body: object): Promise<Json> => {
    const { status, json } = await call(url, path, body, bearer(actor.token));
    if (status !== 200) throw new Error(`${path} answered ${JSON.stringify(json)}`);
    return json;
  };
  const all = async (path: string, body: object, field: string): Promise<unknown[]> => {
    const found: unknown[] = [];
    for (let pageToken = ""; ; ) {
      const json = await ask(path, { ...body, pageToken });
      found.push(...((json[field] ?? []) as unknown[]));
      pageToken = String(json.nextPageToken ?? "");
      if (pageToken === "") return found;
    }
  };
  const links = async (verb: string, { peer, since, pageSize = 500, ...look }: Look & { pageSize?: number }) => {
    const body = { ...look, peerId: peer, since: since && new Date(since).toISOString(), pageSize };
    const found = await all(`connections.v1.ConnectionService/${verb}`, body, "connections");
    return (found as ConnectionJson[]).map(seen);
  };
  return {
    connections: (look: Look & { pageSize?: number } = {}) => links("ListConnections", look),
    references: (look: Look & { pageSize?: number } = {}) => links("ListReferences", look),
    mutual: async (peerId: string, type: string, pageSize = 500) =>
      (await all("connections.v1.ConnectionService/ListMutual", { peerId, type, pageSize }, "accountIds")) as string[],
    counters: async (accountId: string) =>
      countersOf(await ask("counters.v1.CounterService/GetCounters", { accountId })),
    async blocked() {
      const found = await all("connections.v1.ConnectionService/ListBlocked", { pageSize: 500 }, "blocks");
      return (found as ConnectionJson[]).map(({ peerId, createTime }) => ({
        peerId,
        createdAt: Date.parse(createTime),
      }));
    },
    async inbox() {
      const found = await all("messages.v1.MessageService/ListMessages", { pageSize: 500 }, "messages");
      return textsOf(found as { text: string }[]);
    },
  };
}
