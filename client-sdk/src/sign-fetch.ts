import { requestHeaders } from "./request-headers.js";
import { type ApiKey, signRequest } from "./sign-request.js";

/** A fetch that signs every request with an API key. Bodies that are no bytes yet cannot be signed. */
export function signingFetch(fetch: typeof globalThis.fetch, apiKey: ApiKey): typeof globalThis.fetch {
  return async (input, init) => {
    const url = input instanceof Request ? input.url : input;
    const { method, body } = init ?? {};
    const headers = requestHeaders(init?.headers, undefined);
    const signed = await signRequest({ url, method, headers, body: body as Uint8Array | undefined }, apiKey);
    for (const [name, value] of Object.entries(signed)) headers.set(name, value);
    return fetch(input, { ...init, headers });
  };
}
