import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { declaredTopics } from "../../../server/kernel/declared-topics.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { auditOf } from "../audit.js";
import { openStream, standingStream } from "../stream.js";
import { curl, curlRefused, operatorToken } from "../support.js";

const PUBLISH = "events.v1.EventService/Publish";
const POLL = "events.v1.EventService/Poll";

const topics = declaredTopics();
topics.declare("room/{id}", { subscribe: true, publish: true });

let backstay: TestBackstay;
let ada: Person;
let admin: Person;
beforeAll(async () => {
  backstay = await startBackstay({ "events.poll_timeout": "50ms" }, { overrides: { topics } });
  admin = await backstay.signUp();
  await curl(backstay, "auth.v1.AuthService/GrantRole", { id: admin.id, role: "admin" }, operatorToken(backstay));
});
beforeEach(async () => {
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

/** The RPCs that stand in the audit log about an account, with who called them. */
const noted = async ({ id }: Person) =>
  (await auditOf(backstay, id, "admin.called")).map(({ actorId, detail }) => {
    const { method, ...rest } = detail as { method: string };
    expect(rest).toEqual({ id });
    return [actorId, method.replace("backstay.events.v1.EventService/", "")];
  });
const topicOf = ({ id }: Person) => `account/${id}`;

it("whoever speaks in somebody else's topic as an administrator stands in the audit log", async () => {
  const event = { topic: topicOf(ada), type: "chat.line" };
  await curl(backstay, PUBLISH, event, admin.token);
  await curl(backstay, PUBLISH, { ...event, ephemeral: true }, operatorToken(backstay));
  await curlRefused(backstay, PUBLISH, { ...event, type: "message.add" }, admin.token);
  expect(await noted(ada)).toEqual([
    [admin.id, "Publish"],
    [null, "Publish"],
  ]);
});

it("and so does whoever follows it, before he reads", async () => {
  const stream = await standingStream(backstay, admin.token, { topics: [topicOf(ada), "room/1"] });
  expect(await noted(ada)).toEqual([[admin.id, "Subscribe"]]);
  await stream.close();
  await curl(backstay, POLL, { topics: [topicOf(ada)], afterCursor: "earliest" }, operatorToken(backstay));
  await curl(backstay, POLL, { topics: [`system/withheld/${ada.id}`] }, admin.token);
  expect(await noted(ada)).toEqual([
    [admin.id, "Subscribe"],
    [null, "Poll"],
    [admin.id, "Poll"],
  ]);
});

it("what everybody may do does not: one's own topic, an app's, and what was refused", async () => {
  for (const topic of ["account/me", "room/1"]) {
    for (const { token } of [ada, admin]) {
      await curl(backstay, PUBLISH, { topic, type: "chat.line" }, token);
      await (await openStream(backstay, token, { topics: [topic] })).next();
    }
  }
  await curl(backstay, POLL, { topics: [topicOf(ada)] }, ada.token);
  await curlRefused(backstay, POLL, { topics: [topicOf(admin)] }, ada.token);
  await curlRefused(backstay, PUBLISH, { topic: topicOf(admin), type: "chat.line" }, ada.token);
  await curlRefused(backstay, POLL, { topics: [topicOf(ada)], afterCursor: "damaged" }, admin.token);
  expect(await noted(ada)).toEqual([]);
  // What made it one.
  expect(await noted(admin)).toEqual([[null, "backstay.auth.v1.AuthService/GrantRole"]]);
});

it("a topic that can be nobody's is followed without a word", async () => {
  for (const topics of [["system/withheld/nobody"], ["account/nobody"]]) {
    await curl(backstay, POLL, { topics }, operatorToken(backstay));
  }
});
