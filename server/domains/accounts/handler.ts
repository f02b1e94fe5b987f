import type { JsonObject } from "@bufbuild/protobuf";
import { AccountService, AccountStatus } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { serve } from "../../manifest.js";
import { exportAccount } from "./export.js";
import { listAccounts } from "./list.js";
import { deleteAccount } from "./remove-account.js";
import { setAccountStatus } from "./rights.js";
import * as service from "./service.js";
import { toAccount } from "./wire.js";
import { toPartOfAccount } from "./wire-list.js";

export const accountHandler = serve(AccountService, {
  async createAccount(request, ctx) {
    const account = await service.createAccount(ctx, request);
    return { account: toAccount({ account, whole: true }) };
  },

  async getAccount(request, ctx) {
    return { account: toAccount(await service.getAccount(ctx, request.id)) };
  },

  async batchGetAccounts(request, ctx) {
    const found = await service.batchGetAccounts(ctx, request.ids);
    return { accounts: found.map(toAccount) };
  },

  async listAccounts(request, ctx) {
    const readMask = request.readMask?.paths ?? [];
    const { accounts, fields, nextPageToken } = await listAccounts(ctx, { ...request, readMask });
    const seen = accounts.map(toAccount);
    return { accounts: fields ? seen.map((account) => toPartOfAccount(account, fields)) : seen, nextPageToken };
  },

  async updateAccount(request, ctx) {
    const values = request.account!;
    const paths = request.updateMask?.paths ?? [];
    const account = await service.updateAccount(ctx, { id: values.id, values, paths });
    return { account: toAccount({ account, whole: true }) };
  },

  async deleteAccount(request, ctx) {
    await deleteAccount(ctx, request.id);
    return {};
  },

  async *exportAccount(request, ctx) {
    for await (const { domain, kind, record } of exportAccount(ctx, request.id)) {
      yield { domain, kind, record: record as JsonObject };
    }
  },

  async setAccountStatus({ id, reason, ...request }, ctx) {
    const status = request.status === AccountStatus.BANNED ? "banned" : "active";
    return { account: toAccount({ account: await setAccountStatus(ctx, { id, status, reason }), whole: true }) };
  },
});
