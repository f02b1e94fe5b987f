import { create, toJson } from "@bufbuild/protobuf";
import { EventSchema } from "#gen/backstay/events/v1/events_pb.js";
import type { ExportCtx, ExportedRecord } from "../../context.js";
import { ownEvents } from "./export.js";
import { toEvent } from "./handler-event.js";

/** What happened to an account, as it could follow it. */
export async function* exportEvents(ctx: ExportCtx, accountId: string): AsyncGenerator<ExportedRecord> {
  for await (const event of ownEvents(ctx, accountId)) {
    const record = toJson(EventSchema, create(EventSchema, toEvent({ event, cursor: "" })));
    yield { kind: "event", record: record as ExportedRecord["record"] };
  }
}
