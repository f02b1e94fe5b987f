import type { SignableRequest } from "../kernel/http-signature-base.js";
import type { CallRequest } from "./call.js";
import { hostOf } from "./origins.js";
import { pathOf, queryOf } from "./url.js";

/** Whether a request says that it is signed with an API key. Only a program sets such a header. */
export function isSignedByKey({ headers }: CallRequest): boolean {
  return headers["signature-input"] !== undefined;
}

/** What such a signature may cover of a request. */
export function signableOf(request: CallRequest): SignableRequest {
  const { method = "", url, headers } = request;
  return { method, authority: hostOf(request), path: pathOf(url), query: queryOf(url), headers };
}
