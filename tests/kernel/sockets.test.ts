import { describe, expect, it } from "vitest";
import { type NotifyTarget, notifyTarget } from "../../server/kernel/sockets.js";

const ID = "0190b1c2d3e47f5a8b9c0d1e2f3a4b5c";

describe("whom an app notifies", () => {
  it.each<[NotifyTarget, NotifyTarget]>([
    [{ accountId: ID }, { accountId: ID }],
    [{ accountId: "0190B1C2-d3e4-7f5a-8b9c-0d1e2f3a4b5c" }, { accountId: ID }],
    [{ path: "/project/ws" }, { path: "/project/ws" }],
    [
      { query: { room: "7", empty: "" }, path: "/ws", accountId: ID },
      { query: { room: "7", empty: "" }, path: "/ws", accountId: ID },
    ],
    [{ everyone: true }, { everyone: true }],
  ])("is who it says: %j", (given, meant) => {
    expect(notifyTarget(given)).toEqual(meant);
  });

  it.each<[string, unknown]>([
    ["nobody", {}],
    ["no object", undefined],
    ["nothing", null],
    ["an account without a name for it", ID],
    ["a list", [ID]],
    ["an account that is undefined", { accountId: undefined }],
    ["an account that is undefined, beside a path", { accountId: undefined, path: "/ws" }],
    ["an account that is null", { accountId: null }],
    ["an account that is no id", { accountId: "ada" }],
    ["an account of several", { accountId: [ID] }],
    ["a misspelt name", { account: ID }],
    ["a misspelt name beside a path", { accountID: ID, path: "/ws" }],
    ["a name that every object has", { constructor: Object }],
    ["a path that is undefined", { path: undefined }],
    ["a query of nothing", { query: {} }],
    ["a query that is undefined", { query: undefined }],
    ["a query of a value that is undefined", { query: { room: undefined } }],
    ["a query of a number", { query: { room: 7 } }],
    ["a query that is text", { query: "room=7" }],
    ["a query that is a list", { query: ["room"] }],
    ["everyone, in no clear words", { everyone: "yes" }],
    ["not everyone", { everyone: false }],
    ["everyone of an account", { everyone: true, accountId: ID }],
  ])("is never everybody by mistake: %s", (_, given) => {
    expect(() => notifyTarget(given as NotifyTarget)).toThrow(TypeError);
  });
});
