import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { within } from "../domains/support.js";
import { atEnd, h2Client, once, request, streamEnd } from "./listener-harness.js";

const SCRIPT = new URL("./fixtures/listener-alone.ts", import.meta.url).pathname;

/** A listener in a process of its own: one that hangs takes the whole process with it. */
async function openAlone(): Promise<number> {
  const child = spawn(process.execPath, ["--import", "tsx", SCRIPT], { stdio: ["ignore", "pipe", "inherit"] });
  atEnd(() => void child.kill("SIGKILL"));
  const [port] = await once(createInterface(child.stdout), "line");
  return Number(port);
}

it("a session that resets too many streams goes, with those that are open, and everybody else is answered", async () => {
  const port = await openAlone();
  const session = h2Client(port);
  const gone = once(session, "close");
  // Resets come while other streams of the session have something to send: ended from there, Node would never return.
  const caller = async () => {
    while (!session.closed && !session.destroyed) {
      const stream = session.request({ ":path": "/stream" });
      const ended = streamEnd(stream);
      setTimeout(() => stream.close(8), 2 + Math.random() * 15);
      await Promise.race([ended, gone]);
    }
  };
  await within(10_000, Promise.all(Array.from({ length: 10 }, caller)), "the session is gone");
  const { body } = await within(5_000, request(port, { path: "/counters" }), "somebody else is answered");
  expect(JSON.parse(body)).toMatchObject({ resetFloods: 1 });
});
