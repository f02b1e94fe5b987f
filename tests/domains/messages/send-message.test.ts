import { afterAll, beforeAll, expect, it } from "vitest";
import { call, type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(() => backstay.stop());

it("sends a message that the recipient can list", async () => {
  const { message } = await ada.client.messages.sendMessage({ recipientId: ben.id, text: "Hello Ben" });
  const { messages } = await ben.client.messages.listMessages({});
  expect(messages).toEqual([message]);
  expect(message).toMatchObject({ senderId: ada.id, recipientId: ben.id, text: "Hello Ben" });
});
