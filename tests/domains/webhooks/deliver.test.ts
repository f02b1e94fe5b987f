import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Delivery, deliver } from "../../../server/domains/webhooks/deliver.js";
import { FinalError } from "../../../server/kernel/final-error.js";
import { isPublicAddress } from "../../../server/kernel/private-address.js";
import { declaredWebhooks } from "../../../server/kernel/webhooks.js";
import { guardedPost } from "../../../server/platform/http-post/guarded-post.js";
import { startEventNode } from "../../contracts/event-nodes.js";
import { type Received, startReceiver } from "../../support/receiver.js";
import { testClock, upTo } from "../support.js";
import { prepareGround } from "./ground.js";

const secret = "a secret of sixteen";
const account = "0123456789abcdef0123456789abcdef";

/** An event in a log, which may be delivered to a webhook of the URL. */
async function prepare(url: string, { isAllowed = (_: string): boolean => true, signing = secret } = {}) {
  const ground = await prepareGround();
  const { database, stop } = await startEventNode(ground.url);
  onTestFinished(stop);
  const [row] = await ground.sql<{ id: string }[]>`
    insert into backstay.events (log_offset, topic, id, type, actor_id, data, created_at)
    values (17, 'room/7', gen_random_uuid(), 'chat.line', ${account}, '{"text": "hi", "n": 12345678901234567890}', '2031-02-03T04:05:06.789Z')
    returning replace(id::text, '-', '') as id`;
  const webhooks = declaredWebhooks();
  webhooks.declare(url, { secret: signing, id: "one" });
  const clock = testClock("2031-02-03T04:06:00.500Z");
  const post = guardedPost({ isAllowed });
  const delivery: Delivery = { webhook: "one", event: row!.id, offset: 17 };
  const ctx = { database, clock, webhooks, post, signal: new AbortController().signal };
  return {
    ...ground,
    clock,
    delivery,
    run: (other: Partial<Delivery> = {}) => deliver(ctx, { ...delivery, ...other }),
  };
}

/** The receiver's part, as docs/webhooks.md gives it to its readers. */
async function documented(): Promise<(headers: object, body: string, secret: string) => boolean> {
  const page = readFileSync(new URL("../../../docs/webhooks.md", import.meta.url), "utf8");
  const code = page
    .split("```js\n")
    .find((block) => block.includes("function verify"))!
    .split("```")[0]!;
  return (await import(`data:text/javascript,${encodeURIComponent(code)}`)).verify;
}

/** How a delivery fails. */
async function failure(delivering: Promise<unknown>): Promise<{ isFinal: boolean; says: string }> {
  try {
    await delivering;
  } catch (error) {
    return { isFinal: error instanceof FinalError, says: (error as Error).message };
  }
  throw new Error("it was delivered");
}

describe("a delivery", () => {
  it("posts the event as JSON, to the last digit", async () => {
    const { url, received } = await startReceiver();
    const { run, delivery } = await prepare(`${url}/in`);
    expect(await run()).toEqual({ status: 204 });
    expect(received).toMatchObject([{ method: "POST", path: "/in" }]);
    expect(received[0]?.headers).toMatchObject({
      "content-type": "application/json",
      "user-agent": "backstay",
      "webhook-id": delivery.event,
      "webhook-timestamp": String(Date.parse("2031-02-03T04:06:00Z") / 1000),
    });
    expect(received[0]?.body).toBe(
      `{"id":"${delivery.event}","type":"chat.line","topic":"room/7","time":"2031-02-03T04:05:06.789Z",` +
        `"actorId":"${account}","data":{"n": 12345678901234567890, "text": "hi"}}`,
    );
    expect(() => JSON.parse(received[0]!.body)).not.toThrow();
  });

  it("names no actor when there was none", async () => {
    const { url, received } = await startReceiver();
    const { run, sql } = await prepare(url);
    await sql`update backstay.events set actor_id = null`;
    await run();
    expect(JSON.parse(received[0]!.body)).toEqual({
      ...{ id: expect.any(String), type: "chat.line", topic: "room/7" },
      ...{ time: "2031-02-03T04:05:06.789Z", data: expect.any(Object) },
    });
  });

  it.each([secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])(
    "is signed so that its receiver can verify it: %s",
    async (signing) => {
      const verify = await documented();
      const { url, received } = await startReceiver();
      const { run, clock } = await prepare(url, { signing });
      clock.set(new Date().toISOString());
      await run();
      const [{ headers, body }] = received as [Received];
      expect(verify(headers, body, signing)).toBe(true);
      expect(verify(headers, body.replace("hi", "ho"), signing)).toBe(false);
      expect(verify({ ...headers, "webhook-id": account }, body, signing)).toBe(false);
      expect(verify({ ...headers, "webhook-timestamp": Number(headers["webhook-timestamp"]) + 1 }, body, signing)).toBe(
        false,
      );
      expect(verify({ ...headers, "webhook-signature": "v1,ünd" }, body, signing)).toBe(false);
      expect(verify(headers, body, "another secret of it")).toBe(false);
    },
  );

  it("is signed anew in every attempt, by its own time", async () => {
    const verify = await documented();
    const { url, received } = await startReceiver();
    const { run, clock } = await prepare(url);
    clock.set(new Date(Date.now() - 3_600_000).toISOString());
    await run();
    clock.advance(3_600_000);
    await run();
    const [one, two] = received as [Received, Received];
    expect(verify(one.headers, one.body, secret)).toBe(false);
    expect(verify(two.headers, two.body, secret)).toBe(true);
    expect(two.headers["webhook-id"]).toBe(one.headers["webhook-id"]);
    for (const { headers, body } of received) {
      const text = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
      expect(headers["webhook-signature"]).toBe(`v1,${createHmac("sha256", secret).update(text).digest("base64")}`);
    }
  });

  it("is done by any 2xx", async () => {
    const statuses = [200, 201, 202, 299];
    const { url } = await startReceiver((_, response) => response.writeHead(statuses.shift()!).end("some text"));
    const { run } = await prepare(url);
    expect([await run(), await run(), await run(), await run()]).toEqual([
      { status: 200 },
      { status: 201 },
      { status: 202 },
      { status: 299 },
    ]);
  });
});

describe("a delivery that fails", () => {
  it("is tried again after any other status", async () => {
    const left = [302, 307, 400, 401, 404, 429, 500, 503];
    const { url } = await startReceiver((_, response) => response.writeHead(left[0]!).end(`text of ${secret}`));
    const { run } = await prepare(url);
    for (; left.length > 0; left.shift()) {
      expect(await failure(run())).toEqual({ isFinal: false, says: `the webhook answered ${left[0]}` });
    }
  });

  it("is not tried again after 410", async () => {
    const { url } = await startReceiver((_, response) => response.writeHead(410).end());
    expect(await failure((await prepare(url)).run())).toEqual({
      isFinal: true,
      says: "the webhook is gone: it answered 410",
    });
  });

  it("is tried again when nobody answers, and says nothing of the URL", async () => {
    const { run } = await prepare("http://127.0.0.1:1/secret-path?token=secret-too");
    expect(await failure(run())).toEqual({ isFinal: false, says: "the webhook cannot be reached (ECONNREFUSED)" });
  });

  it("is tried again when the URL leads to a private address: that may be a mistake of names", async () => {
    const { url, received } = await startReceiver();
    const { run } = await prepare(url, { isAllowed: isPublicAddress });
    expect(await failure(run())).toEqual({ isFinal: false, says: "the webhook leads to a private address" });
    expect(received).toEqual([]);
  });

  it("is not tried again when the log has forgotten the event, or is another", async () => {
    const { url, received } = await startReceiver();
    const { run, sql } = await prepare(url);
    const gone = { isFinal: true, says: "the event is no longer kept" };
    expect(await failure(run({ offset: 18 }))).toEqual(gone);
    expect(await failure(run({ event: account }))).toEqual(gone);
    await sql`delete from backstay.events where topic = 'room/7'`;
    expect(await failure(run())).toEqual(gone);
    expect(received).toEqual([]);
  });

  it("is tried again where the webhook is not declared: another node may have it", async () => {
    const { run } = await prepare("http://127.0.0.1:1/");
    expect(await failure(run({ webhook: "two" }))).toEqual({
      isFinal: false,
      says: "no such webhook is declared here",
    });
  });

  it("leaves a webhook alone for half a minute that did not answer five times, so that others are not kept waiting", async () => {
    let isThere = false;
    const { url, received } = await startReceiver((_, response) => (isThere ? undefined : response.destroy()));
    const { run, clock } = await prepare(url);
    const says = "the webhook cannot be reached (ECONNRESET)";
    const leftAlone = `${says} a moment ago, and is left alone for a while`;
    for (const _ of upTo(5)) expect(await failure(run())).toEqual({ isFinal: false, says });
    expect(await failure(run())).toEqual({ isFinal: false, says: leftAlone });
    expect(received).toHaveLength(5);

    clock.advance(30_000);
    // One finds out whether that is over.
    const both = await Promise.all([failure(run()), failure(run())]);
    expect(both.map(({ says }) => says).sort()).toEqual([says, leftAlone]);
    expect(received).toHaveLength(6);

    isThere = true;
    clock.advance(29_999);
    expect(await failure(run())).toMatchObject({ says: leftAlone });
    clock.advance(1);
    expect(await run()).toEqual({ status: 204 });
    expect(await run()).toEqual({ status: 204 });
  });
});
