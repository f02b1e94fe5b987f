import { BackstayError } from "./backstay-error.js";

/**
 * The headers of a request: the app's own, the token and the idempotency key if there is one. Throws `invalid_argument` for what
 * no header can hold, and does not show it: it may be a secret.
 */
export function requestHeaders(
  own: ConstructorParameters<typeof Headers>[0],
  bearer: string | undefined,
  idempotencyKey?: string,
): Headers {
  try {
    const headers = new Headers(own);
    if (bearer) headers.set("authorization", `Bearer ${bearer}`);
    if (idempotencyKey !== undefined) headers.set("idempotency-key", idempotencyKey);
    return headers;
  } catch {
    // What was thrown quotes it.
    throw new BackstayError("a header of the request, its token or its idempotency key is malformed", {
      code: "invalid_argument",
    });
  }
}
