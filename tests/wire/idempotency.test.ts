import { fromBinary, type JsonObject } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { MessageService, SendMessageRequestSchema } from "#gen/backstay/messages/v1/messages_pb.js";
import { upTo } from "../domains/support.js";
import { type Attempt, attempt, DOORS } from "../rpc/doors.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";

// What an idempotency key promises holds whichever doors the repeats come by: the key is the caller's and the method's.

const { sendMessage } = MessageService.method;
const { createAccount } = AccountService.method;
const doors = DOORS.filter(({ name }) => !name.includes("GET"));

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay();
});
beforeEach(async () => {
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(() => backstay.stop());

const message = (text: string, key: string): Attempt => ({
  ...attempt(sendMessage, { recipientId: ben.id, text }),
  token: ada.token,
  headers: { "idempotency-key": key },
});
const received = async () => (await ben.client.messages.listMessages({})).messages.map(({ text }) => text);

it("a repeat by every other door is answered as done, and nothing is done again", async () => {
  for (const door of doors) {
    const outcome = await door.call(backstay.url, message("Once", "key"));
    expect(outcome, door.name).toMatchObject({ code: "", http: 200 });
  }
  expect(await received()).toEqual(["Once"]);
});

it("all doors at the same time are one message", async () => {
  const calls = upTo(5).flatMap(() => doors.map((door) => door.call(backstay.url, message("At once", "key"))));
  const outcomes = await Promise.all(calls);
  expect(new Set(outcomes.map(({ code }) => code))).toEqual(new Set([""]));
  expect(await received()).toEqual(["At once"]);
});

it("another request with the key is refused at every door", async () => {
  await doors[0]!.call(backstay.url, message("Once", "key"));
  for (const door of doors) {
    const { code, reason } = await door.call(backstay.url, message("Changed", "key"));
    expect([code, reason], door.name).toEqual(["failed_precondition", "IDEMPOTENCY_MISMATCH"]);
  }
  expect(await received()).toEqual(["Once"]);
});

it("the order of fields and the form of the body make no other request", async () => {
  const [json] = doors;
  const sent = (text: string): Attempt => ({ ...message("x", "key"), json: Buffer.from(text) });
  for (const text of [
    `{"recipientId":"${ben.id}","text":"Once"}`,
    `{ "text": "\\u004fnce", "recipientId": "${ben.id}" }`,
    `{"recipient_id":"${ben.id}","text":"Once"}`,
  ]) {
    expect(await json!.call(backstay.url, sent(text))).toMatchObject({ code: "" });
  }
  const binary = doors.find(({ name }) => name === "Connect binary")!;
  expect(await binary.call(backstay.url, message("Once", "key"))).toMatchObject({ code: "" });
  expect(fromBinary(SendMessageRequestSchema, message("Once", "key").binary!).text).toBe("Once");
  expect(await received()).toEqual(["Once"]);
});

it("one key serves two methods, each once", async () => {
  const person: JsonObject = { login: `made by ${ada.id}`, secret: "correct horse", name: "Made" };
  const account: Attempt = {
    ...attempt(createAccount, person),
    token: ada.token,
    headers: { "idempotency-key": "key" },
  };
  for (const door of doors) {
    expect(await door.call(backstay.url, message("Once", "key")), door.name).toMatchObject({ code: "" });
    expect(await door.call(backstay.url, account), door.name).toMatchObject({ code: "" });
  }
  expect(await received()).toEqual(["Once"]);
});

it("without a key every call is one of its own", async () => {
  const { headers: _, ...plain } = message("Again", "");
  for (const door of doors) await door.call(backstay.url, plain);
  expect(await received()).toEqual(doors.map(() => "Again"));
});
