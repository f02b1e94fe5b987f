import type { Call } from "./call.js";
import { AccountService, type ExportAccountResponse } from "./gen/backstay/accounts/v1/accounts_pb.js";
import { type ReadOptions, type ReadParts, readStream } from "./read-stream.js";
import { createServiceClient, type ServiceClient } from "./service-client.js";

/** People and programs that can sign in. */
export interface AccountsClient extends ServiceClient<typeof AccountService> {
  /**
   * Everything the server holds of an account, by its id or a request; `me` is one's own. One message a record. An export that
   * breaks off rejects: it is whole only when the loop has ended by itself.
   *
   * ```ts
   * for await (const { domain, kind, record } of client.accounts.exportAccount("me")) save(domain, kind, record);
   * ```
   */
  exportAccount(account: string | { id: string }, options?: ReadOptions): AsyncIterable<ExportAccountResponse>;
}

/** Makes `client.accounts`. */
export function createAccountsClient(parts: ReadParts & { call: Call }): AccountsClient {
  return {
    ...createServiceClient(AccountService, parts.call),
    exportAccount(account, options) {
      const id = typeof account === "string" ? account : account.id;
      return readStream(parts, AccountService.method.exportAccount, { id }, options);
    },
  };
}
