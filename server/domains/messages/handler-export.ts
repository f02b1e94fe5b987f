import { create, toJson } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Message, MessageSchema } from "#gen/backstay/messages/v1/messages_pb.js";
import type { ExportCtx, ExportedRecord } from "../../context.js";
import { receivedMessages, sentMessages } from "./export.js";
import { toMessage } from "./wire.js";

/** Messages an account has received, and those it has sent. */
export async function* exportMessages(ctx: ExportCtx, accountId: string): AsyncGenerator<ExportedRecord> {
  for await (const message of receivedMessages(ctx, accountId)) yield toRecord(toMessage(message));
  for await (const { createdAt, ...message } of sentMessages(ctx, accountId)) {
    yield toRecord(
      create(MessageSchema, { ...message, senderId: accountId, createTime: timestampFromDate(createdAt) }),
    );
  }
}

function toRecord(message: Message): ExportedRecord {
  return { kind: "message", record: toJson(MessageSchema, message) as ExportedRecord["record"] };
}
