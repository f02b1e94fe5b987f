import type { Webhook } from "../../kernel/webhooks.js";

/** The headers that Standard Webhooks asks for: the id is the same in every attempt, time and signature are not. */
export function signedHeaders(webhook: Webhook, { id, at, body }: { id: string; at: Date; body: string }) {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${webhook.sign(`${id}.${timestamp}.${body}`)}`,
  };
}
