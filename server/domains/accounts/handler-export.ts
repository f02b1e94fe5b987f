import { toJson } from "@bufbuild/protobuf";
import { AccountSchema } from "#gen/backstay/accounts/v1/accounts_pb.js";
import type { ExportCtx, ExportedRecord } from "../../context.js";
import { freshAccount } from "./service.js";
import { toAccount } from "./wire.js";

/** The account itself, as its owner sees it. Its ways in are told with its sign-ins. */
export async function* exportOwn(ctx: ExportCtx, accountId: string): AsyncGenerator<ExportedRecord> {
  const account = toAccount({ account: await freshAccount(ctx, accountId), whole: true });
  yield { kind: "account", record: toJson(AccountSchema, account) as ExportedRecord["record"] };
}
