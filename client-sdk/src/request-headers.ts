import { BackstayError } from "./backstay-error.js";

/**
 * The headers of a request: the app's own, and the token if there is one. Throws `invalid_argument` for what no header can hold,
 * and does not show it: it may be a secret.
 */
export function requestHeaders(own: ConstructorParameters<typeof Headers>[0], bearer: string | undefined): Headers {
  try {
    const headers = new Headers(own);
    if (bearer) headers.set("authorization", `Bearer ${bearer}`);
    return headers;
  } catch {
    // What was thrown quotes it.
    throw new BackstayError("a header of the request, or its token, is malformed", { code: "invalid_argument" });
  }
}
