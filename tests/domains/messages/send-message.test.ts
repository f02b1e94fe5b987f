import { toJson } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { MessageSchema } from "#gen/backstay/messages/v1/messages_pb.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { standingStream } from "../stream.js";
import { openDatabase, operator, refused, testClock, upTo } from "../support.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
const clock = testClock();
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
});
beforeEach(async () => {
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(() => backstay.stop());

const send = (recipientId: string, text = "Hello") =>
  ada.client.messages.sendMessage({ recipientId, text }).then(({ message }) => message!);

async function countersOf(person: Person) {
  const sql = openDatabase(backstay);
  const rows = await sql`select name, value::int from backstay.counters where account_id = ${person.id}`;
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

it("sends a message that the recipient can list", async () => {
  const message = await send(ben.id, "Hello Ben");
  const { messages } = await ben.client.messages.listMessages({});
  expect(messages).toEqual([message]);
  expect(message).toMatchObject({ senderId: ada.id, recipientId: ben.id, text: "Hello Ben" });
  expect(message.id).toMatch(/^[0-9a-f]{12}7[0-9a-f]{19}$/);
  expect(message.readTime).toBeUndefined();
  expect(Number(message.createTime?.seconds)).toBe(Math.floor(clock.now().getTime() / 1_000));
});

it("keeps the text as it was typed", async () => {
  const text = " \t“Grüße” 👩‍👩‍👧 \u202Eabc\u202C <b>&amp;</b> ' ; drop table messages; -- \\u0000 \r\n";
  await send(ben.id, text);
  expect((await ben.client.messages.listMessages({})).messages.map((message) => message.text)).toEqual([text]);
});

describe("the text", () => {
  it.each(["x", "é", "🎈"])("may have 16,384 characters, however many bytes they are: %s", async (character) => {
    const message = await send(ben.id, character.repeat(16_384));
    expect([...message.text]).toHaveLength(16_384);
  });

  it.each([
    ["is empty", "", "INVALID_FIELD"],
    ["has one character more", "x".repeat(16_385), "INVALID_FIELD"],
    ["has a NUL", "a\0b", "NUL_IN_TEXT"],
  ])("is refused when it %s", async (_, text, reason) => {
    expect(await refused(send(ben.id, text))).toEqual({ code: "invalid_argument", reason, fields: ["text"] });
    expect(await countersOf(ben)).toEqual({});
  });
});

describe("the recipient", () => {
  const noRecipient = { code: "not_found", reason: "RECIPIENT_NOT_FOUND", fields: ["recipientId"] };

  it.each(["0190163d8694739b8b1fcb8dd4e60777", "nobody", "' or true --"])("is not nobody: %s", async (id) => {
    expect(await refused(send(id))).toEqual(noRecipient);
  });

  it("is not an account that was deleted", async () => {
    await ben.client.accounts.deleteAccount({ id: "me" });
    expect(await refused(send(ben.id))).toEqual(noRecipient);
  });

  it("gets messages until the account is deleted, and from then on is not there", async () => {
    for (const _ of upTo(5)) {
      const recipient = await backstay.signUp();
      const sendUntilRefused = async () => {
        for (;;) {
          const reason = await send(recipient.id).then(
            () => undefined,
            (error: { reason: string }) => error.reason,
          );
          if (reason !== undefined) return reason;
        }
      };
      const refusals = upTo(8).map(sendUntilRefused);
      await send(recipient.id);
      await recipient.client.accounts.deleteAccount({ id: "me" });
      expect(new Set(await Promise.all(refusals))).toEqual(new Set(["RECIPIENT_NOT_FOUND"]));
    }
  });

  it("is not oneself, by id, with dashes or by me", async () => {
    const dashed = ada.id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    for (const id of [ada.id, dashed, "me"]) {
      expect(await refused(send(id))).toEqual({
        code: "invalid_argument",
        reason: "MESSAGE_TO_SELF",
        fields: ["recipientId"],
      });
    }
    expect(await countersOf(ada)).toEqual({});
  });

  it("must be given", async () => {
    expect(await refused(send(""))).toEqual({
      code: "invalid_argument",
      reason: "INVALID_FIELD",
      fields: ["recipientId"],
    });
  });

  it("can be named by a UUID with dashes", async () => {
    const dashed = ben.id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5").toUpperCase();
    expect((await send(dashed)).recipientId).toBe(ben.id);
  });
});

describe("the sender", () => {
  it("needs a token", async () => {
    const sent = backstay.anonymous().messages.sendMessage({ recipientId: ben.id, text: "Hello" });
    expect(await refused(sent)).toEqual({ code: "unauthenticated", reason: "TOKEN_MISSING", fields: [] });
  });

  it("is an account, not the installation's command line", async () => {
    const sent = operator(backstay).messages.sendMessage({ recipientId: ben.id, text: "Hello" });
    expect(await refused(sent)).toMatchObject({ code: "permission_denied", reason: "ACCOUNT_REQUIRED" });
  });
});

describe("the counter msg_count", () => {
  it("equals the messages received, and every place is one message's own, when 200 are sent at once", async () => {
    const texts = upTo(200).map((n) => `Message ${n}`);
    await Promise.all(texts.map((text) => send(ben.id, text)));
    const sql = openDatabase(backstay);
    const [row] =
      await sql`select count(*)::int as rows, count(distinct mtime)::int as places, count(distinct id)::int as ids
      from backstay.messages where recipient_id = ${ben.id}`;
    expect(row).toEqual({ rows: 200, places: 200, ids: 200 });
    expect(await countersOf(ben)).toEqual({ msg_count: 200 });
    expect(await countersOf(ada)).toEqual({});
  });

  it("stays as it is when a message is refused", async () => {
    await send(ben.id);
    await refused(send(ben.id, ""));
    await refused(send("nobody"));
    expect(await countersOf(ben)).toEqual({ msg_count: 1 });
  });

  it("is right when the clock goes back between two messages", async () => {
    await send(ben.id, "first");
    clock.advance(-3_600_000);
    await send(ben.id, "second");
    const { messages } = await ben.client.messages.listMessages({});
    expect(messages.map(({ text }) => text)).toEqual(["first", "second"]);
    expect(await countersOf(ben)).toEqual({ msg_count: 2 });
  });
});

describe("the event message.add", () => {
  it("reaches the recipient within a second, and is the message as the recipient lists it", async () => {
    const stream = await standingStream(backstay, ben.token);
    await send(ben.id, "Live");
    const event = await stream.event(1_000);
    const [listed] = (await ben.client.messages.listMessages({})).messages;
    expect(event).toMatchObject({
      type: "message.add",
      path: "/message/add",
      actorId: ada.id,
      topic: `account/${ben.id}`,
    });
    expect(event.data).toEqual(toJson(MessageSchema, listed!));
  });

  it.each(["2031-02-03T04:05:06.000Z", "2031-02-03T04:05:06.100Z", "2031-02-03T04:05:06.120Z"])(
    "has its time in the form of proto JSON: %s",
    async (time) => {
      clock.set(time);
      const [sender, recipient] = [await backstay.signUp(), await backstay.signUp()];
      const stream = await standingStream(backstay, recipient.token);
      await sender.client.messages.sendMessage({ recipientId: recipient.id, text: "On time" });
      const { data } = await stream.event(1_000);
      const [listed] = (await recipient.client.messages.listMessages({})).messages;
      expect(data).toEqual(toJson(MessageSchema, listed!));
    },
  );

  it("reaches the sender's other devices too, as the same event", async () => {
    const streams = [await standingStream(backstay, ada.token), await standingStream(backstay, ben.token)] as const;
    const message = await send(ben.id);
    const [own, theirs] = [await streams[0].event(1_000), await streams[1].event(1_000)];
    expect(own).toMatchObject({ id: theirs.id, data: { id: message.id, senderId: ada.id } });
    expect(own.topic).toBe(`account/${ada.id}`);
  });

  it("reaches nobody else", async () => {
    const cleo = await backstay.signUp();
    const stream = await standingStream(backstay, cleo.token);
    await send(ben.id, "Between us");
    await send(cleo.id, "To Cleo");
    expect((await stream.event(1_000)).data.text).toBe("To Cleo");
  });

  it("is not there when the message was refused", async () => {
    const stream = await standingStream(backstay, ada.token);
    await refused(send("nobody"));
    await send(ben.id, "After it");
    expect((await stream.event(1_000)).data.text).toBe("After it");
  });
});

describe("with an idempotency key", () => {
  const keyed = (text: string, idempotencyKey: string, who = ada) =>
    who.client.messages.sendMessage({ recipientId: ben.id, text }, { idempotencyKey });

  it("a repeat answers the same message, sends nothing and tells nothing", async () => {
    const stream = await standingStream(backstay, ben.token);
    const first = await keyed("Once", "key");
    clock.advance(60_000);
    expect(await keyed("Once", "key")).toEqual(first);
    await keyed("Twice", "another");
    expect((await stream.event(1_000)).data.text).toBe("Once");
    expect((await stream.event(1_000)).data.text).toBe("Twice");
    expect(await countersOf(ben)).toEqual({ msg_count: 2 });
  });

  it("another text with the same key is refused", async () => {
    await keyed("Once", "key");
    expect(await refused(keyed("Changed", "key"))).toEqual({
      code: "failed_precondition",
      reason: "IDEMPOTENCY_MISMATCH",
      fields: [],
    });
    expect(await countersOf(ben)).toEqual({ msg_count: 1 });
  });

  it("twenty at once are one message", async () => {
    const answers = await Promise.all(upTo(20).map(() => keyed("Once", "key")));
    expect(new Set(answers.map(({ message }) => message?.id)).size).toBe(1);
    expect(await countersOf(ben)).toEqual({ msg_count: 1 });
    expect((await ben.client.messages.listMessages({})).messages).toHaveLength(1);
  });

  it("the same key of another sender is another key", async () => {
    const cleo = await backstay.signUp();
    const [first, second] = [await keyed("Once", "key"), await keyed("Once", "key", cleo)];
    expect(second.message?.id).not.toBe(first.message?.id);
  });

  it("a message that found no recipient leaves its key free", async () => {
    const sendTo = (recipientId: string) =>
      ada.client.messages.sendMessage({ recipientId, text: "Hello" }, { idempotencyKey: "key" });
    expect(await refused(sendTo("0190163d8694739b8b1fcb8dd4e60777"))).toMatchObject({ reason: "RECIPIENT_NOT_FOUND" });
    expect((await sendTo(ben.id)).message?.recipientId).toBe(ben.id);
  });

  it("a repeat shows that the message was read meanwhile", async () => {
    const { message } = await keyed("Read me", "key");
    await ben.client.messages.markRead({ id: message!.id });
    expect((await keyed("Read me", "key")).message?.readTime).toBeDefined();
  });
});
