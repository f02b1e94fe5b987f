import type { CallRequest } from "../rpc/call.js";
import { isSignedByKey } from "../rpc/sent-key-signature.js";
import { sentSession } from "../rpc/session-cookie.js";

/**
 * A request as if its session cookie were all that it is known by; undefined when there is none, or nothing that went before it. What
 * goes before it is a header that no link or form can carry. `publicUrl` is the setting.
 */
export function cookieAlone(request: CallRequest, publicUrl: string): CallRequest | undefined {
  const { method, url, socket, headers } = request;
  const isBeside = headers.authorization !== undefined || isSignedByKey(request);
  if (!isBeside || sentSession(request, publicUrl) === undefined) return undefined;
  const { authorization: _, "signature-input": __, signature: ___, ...others } = headers;
  return { method, url, headers: others, ...(socket !== undefined && { socket }) };
}
