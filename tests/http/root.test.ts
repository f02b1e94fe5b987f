import { constants } from "node:http2";
import { expect, it, vi } from "vitest";
import { createRoot, type RootParts } from "../../server/http/root.js";
import { type Handler, h2Client, once, open, rawClient, signal } from "./listener-harness.js";

/** A root whose only path, /slow, fails when it is told to, and what it says of failures. */
function slowRoot(fail: Promise<void>, begin: () => void) {
  const onFailure = vi.fn();
  const slow = async () => {
    begin();
    await fail;
    throw new Error("written to nobody");
  };
  const parts = { methods: new Map(), cors: { handle: () => false }, pages: { find: () => undefined }, onFailure };
  const root = createRoot({ ...parts, paths: { find: () => slow } } as unknown as RootParts);
  return { root: root as unknown as Handler, onFailure };
}

it.each(["HTTP/1.1", "HTTP/2"])(
  "a door that fails because its caller has left by %s is no failure",
  async (version) => {
    const [begun, left, told] = [signal(), signal(), signal()];
    const { root, onFailure } = slowRoot(told.promise, begun.fire);
    const { port } = await open((req, res) => {
      res.once("close", () => left.fire());
      root(req, res);
    });
    if (version === "HTTP/2") {
      const stream = h2Client(port).request({ ":path": "/slow" });
      stream.on("error", () => {});
      await begun.promise;
      stream.close(constants.NGHTTP2_CANCEL);
    } else {
      const { socket } = rawClient(port);
      socket.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
      await begun.promise;
      socket.destroy();
    }
    await left.promise;
    told.fire();
    await new Promise((resolve) => setImmediate(resolve));
    expect(onFailure).not.toHaveBeenCalled();
  },
);

it("a door that fails while its caller waits is told of", async () => {
  const { root, onFailure } = slowRoot(Promise.resolve(), () => {});
  const { port } = await open(root);
  await once(
    h2Client(port)
      .request({ ":path": "/slow" })
      .on("error", () => {}),
    "close",
  );
  expect(onFailure).toHaveBeenCalledOnce();
});
