import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { Line } from "../../../server/http/socket/line.js";
import { readFrames } from "../../../server/http/socket/reader.js";

/** A line over a real connection, and its peer. */
async function open(): Promise<{ line: Line; peer: WebSocket }> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const peer = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  peer.on("error", () => {});
  onTestFinished(() => {
    peer.terminate();
    server.close();
  });
  const [[ws]] = await Promise.all([once(server, "connection"), once(peer, "open")]);
  const request = { headers: {}, socket: null };
  return { line: new Line(ws as WebSocket, { id: "7", path: "/ws", query: {}, request }, () => ""), peer };
}

it("answers no frame that waited for room when the socket was closed", async () => {
  const { line, peer } = await open();
  const answered: string[] = [];
  readFrames(line, async (text) => {
    answered.push(text);
    line.write("x".repeat(500_000));
  });
  peer.pause();
  // The kernel takes some of the answers.
  for (let n = 0; line.hasRoom; n++) {
    peer.send(String(n));
    await expect.poll(() => answered.length, { interval: 1 }).toBe(n + 1);
    await new Promise(setImmediate);
  }
  const before = answered.length;
  for (const text of ["waits", "waits too"]) peer.send(text);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(answered).toHaveLength(before);
  line.close(4401, "TOKEN_REVOKED");
  peer.resume();
  expect((await once(peer, "close"))[0]).toBe(4401);
  expect(answered).toHaveLength(before);
});
