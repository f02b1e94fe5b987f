import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "#gen/grpc/health/v1/health_pb.js";
import { chaosProxy } from "../contracts/chaos-proxy.js";
import { within } from "../domains/support.js";
import { startBackstay, type TestBackstay } from "../support/backstay.js";
import { startNats } from "../support/nats.js";
import { startPostgres18, type TestServer } from "../support/postgres.js";
import { bufCurl } from "./buf-curl.js";
import { grpcClient } from "./grpc-client.js";

let server: TestServer;
let backstay: TestBackstay;
let grpc: ReturnType<typeof grpcClient>;
beforeAll(async () => {
  server = await startPostgres18();
  const { url } = await server.createDatabase();
  backstay = await startBackstay({ "database.url": url, "database.acquire_timeout": "500ms" });
  grpc = grpcClient(backstay.url);
});
afterAll(async () => {
  grpc?.close();
  await backstay?.stop();
  await server?.stop();
});

const NAMES = [
  "",
  "backstay.messages.v1.MessageService",
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
];
const CHESS = "backstay.chess.v1.ChessService";

/** The statuses of a watch, as they come. */
function watch(service: string, client = grpc) {
  const stream = client.stream(Health.method.watch, { service });
  stream.on("error", () => {});
  const items = stream[Symbol.asyncIterator]();
  const next = async (ms: number) => {
    const { done, value } = await within(ms, items.next(), "the watch says something");
    return done ? "end" : Status[value.status];
  };
  return { next, cancel: () => stream.cancel() };
}

describe("Check", () => {
  it.each(NAMES)("of %j says that it is served, to anyone", async (service) => {
    expect((await grpc.unary(Health.method.check, { service })).status).toBe(Status.SERVING);
  });

  it("of a service that is not served is not found", async () => {
    await expect(grpc.unary(Health.method.check, { service: CHESS })).rejects.toMatchObject({ code: 5 });
  });

  it.each(["connect", "grpc", "grpcweb"])("answers buf curl by %s", async (protocol) => {
    const { out } = await bufCurl("--protocol", protocol, "-d", "{}", `${backstay.url}/grpc.health.v1.Health/Check`);
    expect(JSON.parse(out)).toEqual({ status: "SERVING" });
  });

  it("answers a probe of plain HTTP/1.1 by Connect", async () => {
    const response = await fetch(`${backstay.url}/grpc.health.v1.Health/Check`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(await response.json()).toEqual({ status: "SERVING" });
  });
});

it("List tells of every service", async () => {
  const { statuses } = await grpc.unary(Health.method.list, {});
  expect(Object.keys(statuses)).toEqual(expect.arrayContaining(NAMES));
  for (const { status } of Object.values(statuses)) expect(status).toBe(Status.SERVING);
});

describe("Watch", () => {
  it("of a service that is not served says so, and stays open", async () => {
    const { next, cancel } = watch(CHESS);
    expect(await next(2_000)).toBe("SERVICE_UNKNOWN");
    await expect(next(600)).rejects.toThrow("not within");
    cancel();
  });

  it("says when the database is gone, within a second, and when it is back", async () => {
    const watches = ["", NAMES[1]!].map((name) => watch(name));
    for (const { next } of watches) expect(await next(2_000)).toBe("SERVING");
    server.kill9();
    // The promise is a second from where the server can know: a dead connection is known when it is used.
    for (const { next } of watches) expect(await next(1_500)).toBe("NOT_SERVING");
    expect((await grpc.unary(Health.method.check, {})).status).toBe(Status.NOT_SERVING);
    await server.restart();
    for (const { next } of watches) expect(await next(5_000)).toBe("SERVING");
    for (const { cancel } of watches) cancel();
  });

  it("says once more that nothing is served when the server stops, and ends", async () => {
    const other = await startBackstay();
    const client = grpcClient(other.url);
    const watches = ["", NAMES[1]!].map((name) => watch(name, client));
    for (const { next } of watches) expect(await next(2_000)).toBe("SERVING");
    const stopped = other.stop();
    for (const { next } of watches) {
      expect(await next(1_000)).toBe("NOT_SERVING");
      expect(await next(1_000)).toBe("end");
    }
    await within(4_000, stopped, "the server stops");
    client.close();
  });
});

describe("/readyz", () => {
  const ready = async (url: string) => {
    const response = await fetch(`${url}/readyz`);
    return (await response.json()) as object;
  };

  it("says ok of a server that has no other nodes", async () => {
    expect(await ready(backstay.url)).toEqual({ status: "ok" });
  });

  it("says within 10 seconds that NATS is away, which keeps no call from the server, and that it is back", async () => {
    const nats = await startNats(["--user", "ada", "--pass", "n0t-to-be-told"]);
    onTestFinished(() => nats.stop());
    const proxy = await chaosProxy(nats.url.replace("//", "//ada:n0t-to-be-told@"));
    onTestFinished(() => proxy.stop());
    const far = await startBackstay({ "nats.url": proxy.through(nats.url.replace("//", "//ada:n0t-to-be-told@")) });
    onTestFinished(() => far.stop());
    const client = grpcClient(far.url);
    const is = (status: string, timeout: number) =>
      expect.poll(() => ready(far.url), { timeout, interval: 50 }).toMatchObject({ status });
    await is("ok", 2_000);
    proxy.stall();
    await is("degraded", 10_000);
    const { id, client: ada } = await far.signUp();
    expect(id).not.toBe("");
    await ada.accounts.getAccount({});
    const answer = await fetch(`${far.url}/readyz`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ status: "degraded", away: ["nats"], eventLagMs: expect.any(Number) });
    expect((await client.unary(Health.method.check, {})).status).toBe(Status.SERVING);
    await proxy.mend();
    await is("ok", 8_000);
    const linesWith = (text: string) => far.log().split(text).length - 1;
    await expect.poll(() => linesWith("NATS is back"), { timeout: 10_000 }).toBe(1);
    expect(linesWith("NATS is away")).toBe(1);
    expect(far.log()).not.toContain("n0t-to-be-told");
    client.close();
  });
});
