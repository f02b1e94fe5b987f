import { expect, it } from "vitest";
import type { Line } from "../../../server/http/socket/line.js";
import { oldestCursor } from "../../../server/http/socket/subscription.js";
import { encodeCursor } from "../../../server/kernel/event-cursor.js";
import { instanceKey } from "../../../server/kernel/instance-key.js";

it("resumes several subscriptions where the one is that has come least far", () => {
  const key = instanceKey(Buffer.alloc(32, 7));
  const at = (offset: number) => encodeCursor(key, { epoch: "0123456789abcdef", offset });
  const lineAt = (...cursors: string[]) => {
    const subscriptions = new Map(cursors.map((cursor, n) => [`${n}`, { cursor, cancel() {} }]));
    return { subscriptions } as unknown as Line;
  };
  expect(oldestCursor(lineAt(at(300), at(9), at(4_000_000_000)), key)).toBe(at(9));
  expect(oldestCursor(lineAt("", at(70_000), at(256)), key)).toBe(at(256));
  expect(oldestCursor(lineAt(), key)).toBe("");
});
