import type { DescMessage, DescMethodUnary, JsonObject } from "@bufbuild/protobuf";
import { fromJson, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, it } from "vitest";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { SystemService } from "#gen/backstay/system/v1/system_pb.js";
import { bearer } from "../domains/support.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";
import { connectJson } from "../support/http-request.js";

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

const { signIn, refresh, getCurrent, startOAuth } = AuthService.method;
const { ping } = SystemService.method;

interface Asked {
  method: DescMethodUnary;
  body?: JsonObject;
  /** Where REST has it. */
  rest: string;
  headers?: Record<string, string>;
}

const binary = ({ method, body = {} }: Asked) =>
  Buffer.from(toBinary(method.input as DescMessage, fromJson(method.input as DescMessage, body)));
const pathOf = ({ method }: Asked) => `/${method.parent.typeName}/${method.name}`;

async function post(path: string, type: string, body: Buffer | string, headers: Record<string, string> = {}) {
  const sent = { "content-type": type, ...headers };
  return fetch(backstay.url + path, { method: "POST", headers: sent, body: body as string });
}

function enveloped(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const DOORS: [name: string, ask: (asked: Asked) => Promise<Response>][] = [
  ["Connect in JSON", (one) => post(pathOf(one), "application/json", JSON.stringify(one.body ?? {}), one.headers)],
  ["Connect in binary", (one) => post(pathOf(one), "application/proto", binary(one), one.headers)],
  [
    "Connect with another charset's name",
    (one) => post(pathOf(one), "application/json; charset=utf8", JSON.stringify(one.body ?? {}), one.headers),
  ],
  ["gRPC-Web", (one) => post(pathOf(one), "application/grpc-web+proto", enveloped(binary(one)), one.headers)],
  [
    "REST",
    (one) => {
      if (one.body !== undefined) return post(one.rest, "application/json", JSON.stringify(one.body), one.headers);
      return fetch(backstay.url + one.rest, { headers: one.headers ?? {} });
    },
  ],
];

it.each(DOORS)("no cache keeps what %s answers of tokens, or about a caller", async (_, ask) => {
  const { login, secret } = ada;
  const { json } = await connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret });
  const answers = [
    await ask({ method: signIn, rest: "/v1/auth/sign-in", body: { login, secret } }),
    await ask({ method: signIn, rest: "/v1/auth/sign-in", body: { login, secret, cookie: true } }),
    await ask({ method: refresh, rest: "/v1/auth/refresh", body: { refreshToken: json.tokens.refreshToken } }),
    await ask({ method: startOAuth, rest: "/v1/auth/oauth/none:start", body: { provider: "none", redirectTo: "/" } }),
    await ask({ method: getCurrent, rest: "/v1/auth/current", headers: bearer(ada.token) }),
  ];
  expect(answers.map(({ headers }) => headers.get("cache-control"))).toEqual(answers.map(() => "no-store"));
  expect(answers.map(({ headers }) => headers.has("set-cookie"))).toEqual([false, true, false, false, false]);
});

it.each(DOORS)("what %s tells everybody may be kept", async (_, ask) => {
  const { status, headers } = await ask({ method: ping, rest: "/v1/ping" });
  expect([status, headers.get("cache-control")]).toEqual([200, null]);
});

it("a read by GET, as Connect asks it, is as private", async () => {
  const url = `${backstay.url}/${AuthService.typeName}/GetCurrent?connect=v1&encoding=json&message=%7B%7D`;
  const { status, headers } = await fetch(url, { headers: bearer(ada.token) });
  expect([status, headers.get("cache-control")]).toEqual([200, "no-store"]);
});
