import { type ClientOptions, createClient } from "@backstay/client";

/** A client that repeats and reconnects as usual, only without the waiting. */
export function impatientClient(url: string, options: ClientOptions = {}) {
  const backoff = { minDelayMs: 1, maxDelayMs: 4 };
  return createClient(url, { retry: backoff, reconnect: backoff, ...options });
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("expected a rejection");
}
