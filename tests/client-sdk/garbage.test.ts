import v8 from "node:v8";
import vm from "node:vm";
import { expect, test } from "vitest";
import { impatientClient } from "./support/client.js";
import { event, ids, ready, take } from "./support/events.js";
import { startScriptedServer } from "./support/scripted-server.js";

v8.setFlagsFromString("--expose-gc");
const collectGarbage: () => void = vm.runInNewContext("gc");

test("a connection that is left is closed, also when the garbage collector has run since it was opened", async () => {
  const server = await startScriptedServer();
  const events = impatientClient(server.url).events.subscribe({}, { heartbeatTimeoutMs: 1_000 });
  const taken = take(events, 2);
  const stream = await server.nextStream();
  stream.say(ready("c0"));
  stream.say(event(1));
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 30));
    collectGarbage();
  }
  // Answered at once: it has no more patience with this one.
  (await server.nextStream()).say(event(2));
  await stream.closed;
  expect(await taken).toEqual(ids(1, 2));
  await events.return();
});
