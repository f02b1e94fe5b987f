import { MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { serve } from "../../manifest.js";
import * as service from "./service.js";
import { fromTimestamp, toMessage } from "./wire.js";

export const messageHandler = serve(MessageService, {
  async sendMessage(request, ctx) {
    return { message: toMessage(await service.sendMessage(ctx, request)) };
  },

  async listMessages(request, ctx) {
    const since = request.since && fromTimestamp(request.since);
    const page = await service.listMessages(ctx, { ...request, since });
    return { messages: page.messages.map(toMessage), nextPageToken: page.nextPageToken };
  },

  async markRead(request, ctx) {
    return { message: toMessage(await service.markRead(ctx, request.id)) };
  },
});
