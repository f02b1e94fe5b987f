import type { JsonObject } from "@bufbuild/protobuf";
import { type Connection, ConnectionService } from "#gen/backstay/connections/v1/connections_pb.js";
import { DomainError } from "../../kernel/errors.js";
import { withFields } from "../conditions.js";
import { checkExact } from "../exact.js";
import type { Given } from "../given.js";
import { listing } from "../listing.js";
import { only, page, record } from "../record.js";
import { type CompatRule, compatRule } from "../rule.js";
import { milliseconds } from "../time.js";
import { accountRecord, checkAccountSelect } from "./accounts.js";

/** Columns of bk_connection and bk_reference; any other is a property, but for what an answer has besides. */
const COLUMNS = { id: "peer_id", type: "type", mtime: "update_time" } as const;
const CONNECTED = "connected";
const PROPERTY = "properties.";
const FIELDS = { peer_id: "peerId", type: "type" } as const;

/** A link as its tables show it: the other account, and what is kept with it beside its type. */
function connectionRecord(connection: Connection | undefined): object {
  if (connection === undefined) return {};
  const { peerId, type, properties, updateTime } = connection;
  const name = { id: peerId, type };
  // No property takes the place of what names the link, or says what only the server knows.
  return record({ ...name, ...properties, ...name, mtime: milliseconds(updateTime), [CONNECTED]: undefined });
}

/** What a list shows of a link: itself, or in its place what is public of the account. */
function rowOf(connection: Connection, given: Given): object {
  if (!given.yes("_details")) return connectionRecord(connection);
  return { id: connection.peerId, ...accountRecord(connection.account) };
}

function propertiesOf(given: Given): JsonObject {
  const names = given.columns.filter((name) => name !== CONNECTED && !Object.hasOwn(COLUMNS, name));
  return Object.fromEntries(names.map((name) => [name, given.text(name)]));
}

const put = (path: string) =>
  compatRule(path, ConnectionService.method.putConnection, {
    ask: (given) => ({ peerId: given.needed("id"), type: given.needed("type"), properties: propertiesOf(given) }),
    reply: ({ connection, connected }, given) => ({
      ...connectionRecord(connection),
      ...(connected && given.yes("_connected") && { [CONNECTED]: 1 }),
    }),
  });

/** What lists of both directions are asked. */
function listRequest(given: Given) {
  const details = given.yes("_details");
  // A connection's properties have any name. Its account's columns are public ones, whoever asks.
  if (details) checkAccountSelect(given, { whole: false });
  const request = withFields(listing(given, COLUMNS, { others: PROPERTY, ignored: [CONNECTED] }), FIELDS);
  return { ...request, details };
}

function listReply(connections: readonly Connection[], nextPageToken: string, given: Given): object {
  return page(
    connections.map((connection) => only(rowOf(connection, given), given)),
    nextPageToken,
  );
}

export const connectionRules: readonly CompatRule[] = [
  put("/connection/add"),
  put("/connection/put"),

  compatRule("/connection/update", ConnectionService.method.updateConnection, {
    ask: (given) => {
      const name = { peerId: given.needed("id"), type: given.needed("type") };
      const properties = propertiesOf(given);
      if (Object.keys(properties).length === 0) {
        throw new DomainError("INVALID_FIELD", "Give a property to change, such as state.");
      }
      return { connection: { ...name, properties } };
    },
    reply: ({ connection }) => connectionRecord(connection),
  }),

  compatRule("/connection/del", ConnectionService.method.deleteConnections, {
    ask: (given) => {
      checkExact(given, ["id", "type"], "Connections are deleted by id and type");
      return { peerId: given.text("id"), type: given.text("type") };
    },
    reply: ({ deletedCount }) => ({ count: deletedCount }),
  }),

  compatRule("/connection/get", ConnectionService.method.listConnections, {
    rows: "connections",
    ask: listRequest,
    reply: ({ connections, nextPageToken }, given) => listReply(connections, nextPageToken, given),
  }),

  compatRule("/reference/get", ConnectionService.method.listReferences, {
    rows: "connections",
    ask: listRequest,
    reply: ({ connections, nextPageToken }, given) => listReply(connections, nextPageToken, given),
  }),
];
