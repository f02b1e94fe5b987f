import { create, createRegistry, fromBinary, fromJson, isMessage, type JsonValue } from "@bufbuild/protobuf";
import { type Any, AnySchema, anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import type { ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, it } from "vitest";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { ErrorInfoSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "#gen/google/rpc/status_pb.js";
import { call, startBackstay, type TestBackstay } from "../support/backstay.js";
import { grpcClient } from "../wire/grpc-client.js";

let backstay: TestBackstay;
beforeAll(async () => {
  // One secret a minute, which is spent.
  backstay = await startBackstay({ "limits.rate": "on", "limits.secrets_per_minute": "1" });
  expect((await call(backstay.url, "auth.v1.AuthService/SignIn", GUESS)).status).toBe(401);
});
afterAll(() => backstay.stop());

const GUESS = { login: "nobody", secret: "a guess" };
const registry = createRegistry(ErrorInfoSchema, RetryInfoSchema);

const post = async (path: string, body: object) => {
  const headers = { "content-type": "application/json" };
  const response = await fetch(backstay.url + path, { method: "POST", headers, body: JSON.stringify(body) });
  return { status: response.status, retryAfter: response.headers.get("retry-after"), json: await response.json() };
};

/** The reason that stands in some details, and after how many seconds a repeat makes sense. */
function told(details: readonly Any[]): { reason: string | undefined; seconds: number } {
  const unpacked = details.map((detail) => anyUnpack(detail, registry));
  const info = unpacked.find((detail) => isMessage(detail, ErrorInfoSchema));
  const retry = unpacked.find((detail) => isMessage(detail, RetryInfoSchema));
  return { reason: info?.reason, seconds: retry?.retryDelay ? durationMs(retry.retryDelay) / 1_000 : 0 };
}

const fromText = (details: object[]) => details.map((detail) => fromJson(AnySchema, detail as JsonValue, { registry }));

const REFUSED = { reason: "RATE_LIMITED", seconds: expect.toSatisfy(isWithinAMinute) };

it("Connect says it by code, reason and RetryInfo", async () => {
  const { status, json } = await call(backstay.url, "auth.v1.AuthService/SignIn", GUESS);
  expect([status, json.code]).toEqual([429, "resource_exhausted"]);
  const details = json.details as { type: string; value: string }[];
  const packed = details.map(({ type, value }) => ({ typeUrl: `/${type}`, value: Buffer.from(value, "base64") }));
  expect(told(packed.map((any) => create(AnySchema, any)))).toEqual(REFUSED);
});

it("gRPC says it by status and details", async () => {
  const client = grpcClient(backstay.url);
  const refused = await client.unary(AuthService.method.signIn, GUESS).catch((error: ServiceError) => error);
  client.close();
  const { code, metadata } = refused as ServiceError;
  expect(code).toBe(8);
  const { details } = fromBinary(StatusSchema, metadata.get("grpc-status-details-bin")[0] as Buffer);
  expect(told(details)).toEqual(REFUSED);
});

it("REST says it by 429, Retry-After and google.rpc.Status", async () => {
  const { status, retryAfter, json } = await post("/v1/auth/sign-in", GUESS);
  expect([status, json.code]).toEqual([429, 8]);
  expect(told(fromText(json.details))).toEqual(REFUSED);
  expect(isWithinAMinute(Number(retryAfter))).toBe(true);
});

it("the predecessor's paths say it by 429, Retry-After and { status, message }", async () => {
  const { status, retryAfter, json } = await post("/login", GUESS);
  expect(status).toBe(429);
  expect(json).toEqual({ status: 429, message: "Too many calls of this class; try again after the time given." });
  expect(isWithinAMinute(Number(retryAfter))).toBe(true);
});

function isWithinAMinute(seconds: unknown): boolean {
  return Number(seconds) > 0 && Number(seconds) <= 60;
}
