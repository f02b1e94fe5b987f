import { ConnectionService } from "#gen/backstay/connections/v1/connections_pb.js";
import { fromTimestamp } from "../../kernel/timestamp.js";
import { serve } from "../../manifest.js";
import { callerAccount } from "../accounts/index.js";
import { blockAccount, listBlocked, toBlocked, unblockAccount } from "../blocks/index.js";
import { deleteConnections } from "./delete.js";
import { listConnections, listReferences } from "./list.js";
import { listMutual } from "./mutual.js";
import { putConnection } from "./put.js";
import { updateConnection } from "./update.js";
import { toConnection } from "./wire.js";

export const connectionHandler = serve(ConnectionService, {
  async putConnection(request, ctx) {
    const { connection, connected } = await putConnection(ctx, request);
    return { connection: toConnection(connection), connected };
  },

  async updateConnection({ connection, updateMask }, ctx) {
    const { peerId, type, properties } = connection!;
    const updated = await updateConnection(ctx, { peerId, type, properties, paths: updateMask?.paths ?? [] });
    return { connection: toConnection(updated) };
  },

  async deleteConnections(request, ctx) {
    return { deletedCount: await deleteConnections(ctx, request) };
  },

  async listConnections(request, ctx) {
    const since = request.since && fromTimestamp(request.since);
    const { connections, nextPageToken } = await listConnections(ctx, { ...request, since });
    return { connections: connections.map(toConnection), nextPageToken };
  },

  async listReferences(request, ctx) {
    const since = request.since && fromTimestamp(request.since);
    const { connections, nextPageToken } = await listReferences(ctx, { ...request, since });
    return { connections: connections.map(toConnection), nextPageToken };
  },

  async listMutual(request, ctx) {
    return listMutual(ctx, request);
  },

  async block({ peerId }, ctx) {
    await blockAccount(ctx, { accountId: callerAccount(ctx), peerId });
    return {};
  },

  async unblock({ peerId }, ctx) {
    await unblockAccount(ctx, { accountId: callerAccount(ctx), peerId });
    return {};
  },

  async listBlocked(request, ctx) {
    const { blocks, nextPageToken } = await listBlocked(ctx, { ...request, accountId: callerAccount(ctx) });
    return { blocks: blocks.map(toBlocked), nextPageToken };
  },
});
