import { type DeclaredWebhooks, declaredWebhooks, type Webhook, type WebhookOptions } from "../kernel/webhooks.js";

/** The list `webhooks` of backstay.config.json. Throws what `wrong` makes of a message, in which no secret stands. */
export function readWebhooks(list: readonly unknown[], wrong: (message: string) => Error): readonly Webhook[] {
  const webhooks = declaredWebhooks();
  for (const [n, entry] of list.entries()) {
    try {
      declare(webhooks, entry);
    } catch (error) {
      throw wrong(`webhooks[${n}]: ${(error as Error).message}`);
    }
  }
  return webhooks.all();
}

function declare(webhooks: DeclaredWebhooks, entry: unknown): void {
  if (typeof entry !== "object" || entry === null) throw new Error("it is an object with url and secret");
  const { url, ...options } = entry as { url: string } & WebhookOptions;
  webhooks.declare(url, options);
}
