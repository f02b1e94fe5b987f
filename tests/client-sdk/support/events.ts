import type { Subscription } from "@backstay/client";

/** The event number `n`, with the cursor `c<n>`. */
export function event(n: number) {
  const value = { id: `event-${n}`, cursor: `c${n}`, type: "message.add", path: "/message/add", topic: "account/ada" };
  return { case: "event" as const, value };
}

/** What else a stream says. */
export const ready = (cursor: string) => ({ case: "ready" as const, value: { cursor } });
export const heartbeat = (cursor: string) => ({ case: "heartbeat" as const, value: { cursor } });
export const gap = (from: string, to: string) => ({ case: "gap" as const, value: { from, to } });
export const goodbye = (reconnectAfterMs: number) => ({ case: "goodbye" as const, value: { reconnectAfterMs } });

/** The ids of the next `count` events; fewer when the subscription ends before. */
export async function take(events: Subscription, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const { done, value } = await events.next();
    if (done) break;
    ids.push(value.id);
  }
  return ids;
}

/** The ids of the events `from` to `to`. */
export function ids(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `event-${from + i}`);
}

/** An event of the moment: it has no cursor. */
export function momentary(id: string) {
  return { case: "event" as const, value: { id, cursor: "", type: "presence.join", topic: "room/lobby" } };
}
