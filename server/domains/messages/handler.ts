import { MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { fromTimestamp } from "../../kernel/timestamp.js";
import { serve } from "../../manifest.js";
import { deleteMessages } from "./delete.js";
import { listMessages, listUnread } from "./list.js";
import { markRead } from "./mark-read.js";
import { sendMessage } from "./service.js";
import { toMessage } from "./wire.js";

export const messageHandler = serve(MessageService, {
  async sendMessage(request, ctx) {
    return { message: toMessage(await sendMessage(ctx, request)) };
  },

  async listMessages(request, ctx) {
    const since = request.since && fromTimestamp(request.since);
    const page = await listMessages(ctx, { ...request, since });
    return { messages: page.messages.map(toMessage), nextPageToken: page.nextPageToken };
  },

  async listUnread(request, ctx) {
    const page = await listUnread(ctx, request);
    return { messages: page.messages.map(toMessage), nextPageToken: page.nextPageToken };
  },

  async markRead(request, ctx) {
    const createTime = request.createTime && fromTimestamp(request.createTime);
    return { message: toMessage(await markRead(ctx, { ...request, createTime })) };
  },

  async deleteMessages(request, ctx) {
    const createTime = request.createTime && fromTimestamp(request.createTime);
    return { deletedCount: await deleteMessages(ctx, { ...request, createTime }) };
  },
});
