import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { create, createFileRegistry, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ServerReflection, ServerReflectionRequestSchema } from "#gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "#gen/grpc/reflection/v1alpha/reflection_pb.js";
import { within } from "../domains/support.js";
import { callGrpc, envelope } from "../rpc/doors.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";
import { bufCurl } from "./buf-curl.js";
import { grpcClient } from "./grpc-client.js";

let backstay: TestBackstay;
let grpc: ReturnType<typeof grpcClient>;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  grpc = grpcClient(backstay.url);
  ada = await backstay.signUp();
});
afterAll(async () => {
  grpc?.close();
  await backstay?.stop();
});

const OURS = ["accounts.v1.AccountService", "auth.v1.AuthService", "events.v1.EventService"];
const GRPC = ["health.v1.Health", "reflection.v1.ServerReflection", "reflection.v1alpha.ServerReflection"];
const SERVICES = [...OURS.map((name) => `backstay.${name}`), ...GRPC.map((name) => `grpc.${name}`)];

type Question = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;

describe.each([
  ["v1", ServerReflection],
  ["v1alpha, which old tools speak,", ServerReflectionAlpha as unknown as typeof ServerReflection],
])("reflection %s by grpc-js", (_, service) => {
  /** Asks on one stream, each question after the answer before it. */
  async function ask(...questions: Question[]) {
    const stream = grpc.bidi(service.method.serverReflectionInfo);
    const answers = stream[Symbol.asyncIterator]();
    const responses = [];
    for (const messageRequest of questions) {
      stream.write({ host: "here", messageRequest });
      const { value } = await answers.next();
      expect(value.validHost).toBe("here");
      expect(value.originalRequest.messageRequest).toMatchObject({ ...messageRequest });
      responses.push(value.messageResponse);
    }
    stream.end();
    expect((await answers.next()).done).toBe(true);
    return responses;
  }
  const filesOf = (response: { value?: unknown }) =>
    (response.value as { fileDescriptorProto: Uint8Array[] }).fileDescriptorProto.map((bytes) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    );

  it("lists what is served, itself included", async () => {
    const [response] = await ask({ case: "listServices", value: "" });
    const names = (response!.value as { service: { name: string }[] }).service.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(SERVICES));
  });

  it("gives a file by its name, with all that it imports, so that nothing is left to ask", async () => {
    const name = "backstay/messages/v1/messages.proto";
    const [response] = await ask({ case: "fileByFilename", value: name });
    const files = filesOf(response!);
    expect(files[0]!.name).toBe(name);
    expect(registryOf(files).getService("backstay.messages.v1.MessageService")).toBeDefined();
  });

  it.each([
    ["a service", "backstay.auth.v1.AuthService", "backstay/auth/v1/auth.proto"],
    ["a method", "backstay.auth.v1.AuthService.SignIn", "backstay/auth/v1/auth.proto"],
    ["a message", "backstay.accounts.v1.Account", "backstay/accounts/v1/accounts.proto"],
    ["a field", "backstay.accounts.v1.Account.id", "backstay/accounts/v1/accounts.proto"],
    ["an enum", "backstay.options.v1.Access", "backstay/options/v1/options.proto"],
    ["an enum's value", "backstay.options.v1.ACCESS_PUBLIC", "backstay/options/v1/options.proto"],
    ["an extension", "google.api.http", "google/api/annotations.proto"],
    ["a map's entry", "grpc.health.v1.HealthListResponse.StatusesEntry", "grpc/health/v1/health.proto"],
    ["a map's key", "grpc.health.v1.HealthListResponse.StatusesEntry.key", "grpc/health/v1/health.proto"],
    ["a nested type", "grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"],
  ])("gives the file of %s", async (_, symbol, name) => {
    const [response] = await ask({ case: "fileContainingSymbol", value: symbol });
    expect(filesOf(response!)[0]!.name).toBe(name);
  });

  it("gives the file of each service that it lists", async () => {
    const [list] = await ask({ case: "listServices", value: "" });
    const names = (list!.value as { service: { name: string }[] }).service.map(({ name }) => name);
    const answers = await ask(...names.map((value) => ({ case: "fileContainingSymbol" as const, value })));
    for (const [index, name] of names.entries()) {
      expect(registryOf(filesOf(answers[index]!)).getService(name), name).toBeDefined();
    }
  });

  it("gives the options of methods by their extensions", async () => {
    const containingType = "google.protobuf.MethodOptions";
    const [numbers, file] = await ask(
      { case: "allExtensionNumbersOfType", value: containingType },
      { case: "fileContainingExtension", value: { containingType, extensionNumber: 72295728 } as never },
    );
    const { baseTypeName, extensionNumber } = numbers!.value as { baseTypeName: string; extensionNumber: number[] };
    expect(baseTypeName).toBe(containingType);
    expect(extensionNumber).toContain(72295728);
    expect(filesOf(file!)[0]!.name).toBe("google/api/annotations.proto");
  });

  it("answers a type without extensions by no numbers", async () => {
    const [response] = await ask({ case: "allExtensionNumbersOfType", value: "backstay.accounts.v1.Account" });
    expect(response!.value).toMatchObject({ extensionNumber: [] });
  });

  it.each([
    ["a service", "backstay.accounts.v1.AccountService"],
    ["a method", "backstay.auth.v1.AuthService.SignIn"],
    ["a field", "backstay.accounts.v1.Account.id"],
    ["an enum", "backstay.options.v1.Access"],
  ])("knows no extensions of %s, which is no type that could have any", async (_, value) => {
    const [response] = await ask({ case: "allExtensionNumbersOfType", value });
    expect(response).toMatchObject({ case: "errorResponse", value: { errorCode: 5 } });
  });

  it("answers what it does not know by an error, and goes on", async () => {
    const chess = "backstay.chess.v1.ChessService";
    const answers = await ask(
      { case: "fileByFilename", value: "chess.proto" },
      { case: "fileContainingSymbol", value: chess },
      { case: "fileContainingExtension", value: { containingType: chess, extensionNumber: 1 } as never },
      { case: "allExtensionNumbersOfType", value: chess },
      { case: "listServices", value: "" },
    );
    for (const { case: kind, value } of answers.slice(0, -1)) {
      expect(kind).toBe("errorResponse");
      expect(value).toMatchObject({ errorCode: 5, errorMessage: expect.stringMatching(/chess/i) });
    }
    expect(answers.at(-1)!.case).toBe("listServicesResponse");
  });

  it("answers a question that asks nothing by an error", async () => {
    const [response] = await ask({ case: undefined });
    expect(response).toMatchObject({ case: "errorResponse", value: { errorCode: 3 } });
  });
});

function registryOf(file: FileDescriptorProto[]) {
  return createFileRegistry(create(FileDescriptorSetSchema, { file: importsFirst(file) }));
}

/** The files in the order in which a set of them is read. */
function importsFirst(files: FileDescriptorProto[]): FileDescriptorProto[] {
  const sorted = new Set<FileDescriptorProto>();
  const add = (file: FileDescriptorProto) => {
    for (const name of file.dependency) add(files.find((one) => one.name === name)!);
    sorted.add(file);
  };
  for (const file of files) add(file);
  return [...sorted];
}

describe("buf curl, without a schema,", () => {
  it.each(["grpc-v1", "grpc-v1alpha"])("lists the services by %s", async (version) => {
    const { status, out } = await bufCurl("--reflect-protocol", version, "--list-services", backstay.url);
    expect(status).toBe(0);
    expect(out.trim().split("\n")).toEqual(expect.arrayContaining(SERVICES));
  });

  it("lists the methods", async () => {
    const { status, out } = await bufCurl("--list-methods", backstay.url);
    expect(status).toBe(0);
    expect(out).toContain("backstay.messages.v1.MessageService/SendMessage\n");
    expect(out).toContain("grpc.health.v1.Health/Watch\n");
  });

  describe.each(["connect", "grpc", "grpcweb"])("by %s", (protocol) => {
    const curl = (method: string, data: object, ...args: string[]) =>
      bufCurl("--protocol", protocol, "-d", JSON.stringify(data), ...args, `${backstay.url}/${method}`);

    // A cleartext address means HTTP/2 to it whenever it asks for the schema; said or not is the same.
    it.each([[[]], [["--http2-prior-knowledge"]]])("calls a method %j", async (args) => {
      expect(await curl("backstay.system.v1.SystemService/Ping", {}, ...args)).toMatchObject({ status: 0 });
    });

    it("signs in, and calls with the token", async () => {
      const signedIn = await curl("backstay.auth.v1.AuthService/SignIn", { login: ada.login, secret: ada.secret });
      expect(signedIn.status).toBe(0);
      const { accessToken } = (JSON.parse(signedIn.out) as { tokens: { accessToken: string } }).tokens;
      const current = "backstay.auth.v1.AuthService/GetCurrent";
      const { out } = await curl(current, {}, "-H", `authorization: Bearer ${accessToken}`);
      expect(JSON.parse(out)).toMatchObject({ account: { id: ada.id } });
    });

    it("is refused as anyone is, with the code of gRPC in its status", async () => {
      const { status, told } = await curl("backstay.auth.v1.AuthService/GetCurrent", {});
      expect(status).toBe(16 << 3);
      expect(told).toContain("unauthenticated");
    });

    it("streams both ways", async () => {
      const { status, out } = await bufCurl(
        ...["--protocol", protocol, "-d", '{"fileByFilename": "chess.proto"} {"listServices": ""}'],
        `${backstay.url}/grpc.reflection.v1.ServerReflection/ServerReflectionInfo`,
      );
      expect(status).toBe(0);
      expect(out.indexOf('"errorResponse"')).toBeGreaterThan(0);
      expect(out.indexOf('"listServicesResponse"')).toBeGreaterThan(out.indexOf('"errorResponse"'));
    });
  });
});

describe("buf curl over HTTP/1.1, where there is no reflection and the schema is given,", () => {
  const folder = mkdtempSync(join(tmpdir(), "backstay-schema-"));
  const schema = join(folder, "schema.binpb");
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  beforeAll(async () => {
    const stream = grpc.bidi(ServerReflection.method.serverReflectionInfo);
    stream.end({ messageRequest: { case: "fileContainingSymbol", value: "backstay.auth.v1.AuthService" } });
    for await (const { messageResponse } of stream) {
      const { fileDescriptorProto } = messageResponse.value as { fileDescriptorProto: Uint8Array[] };
      const file = importsFirst(fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes)));
      writeFileSync(schema, toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file })));
    }
  });

  it.each(["connect", "grpcweb"])("calls by %s", async (protocol) => {
    const { status, out, told } = await bufCurl(
      ...["-v", "--schema", schema, "--protocol", protocol, "-d", "{}", "-H", `authorization: Bearer ${ada.token}`],
      `${backstay.url}/backstay.auth.v1.AuthService/GetCurrent`,
    );
    expect(told).toContain("HTTP/1.1");
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ account: { id: ada.id } });
  });
});

it("buf curl speaks TLS as well, and asks for HTTP/2 by ALPN", async () => {
  const fixture = (name: string) => new URL(`../http/fixtures/${name}`, import.meta.url).pathname;
  const tls = { "tls.cert": fixture("test-only.cert.pem"), "tls.key": fixture("test-only.key.pem") };
  const secure = await startBackstay(tls);
  const { status, out } = await bufCurl("--insecure", "--list-services", secure.url);
  await secure.stop();
  expect(status).toBe(0);
  expect(out).toContain("backstay.auth.v1.AuthService");
});

describe("the door of reflection", () => {
  const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
  const headers = { "content-type": "application/grpc", te: "trailers" };
  const question = (messageRequest: Question) =>
    Buffer.from(toBinary(ServerReflectionRequestSchema, create(ServerReflectionRequestSchema, { messageRequest })));
  const list = envelope(question({ case: "listServices", value: "" }));
  const others: TestBackstay[] = [];
  afterEach(async () => {
    for (const other of others.splice(0)) await other.stop();
  });

  it.each([
    ["an envelope that breaks off", [list.subarray(0, -1)], "invalid_argument", "MALFORMED_BODY", false],
    ["an unknown flag", [envelope(Buffer.alloc(0), 4)], "invalid_argument", "MALFORMED_BODY", true],
    ["no message of its kind", [envelope(Buffer.from([0xff]))], "invalid_argument", "MALFORMED_BODY", true],
    ["4 GiB announced", [list, Buffer.from([0, 255, 255, 255, 255])], "resource_exhausted", "MESSAGE_TOO_LARGE", true],
    [
      "text with a NUL",
      [envelope(question({ case: "fileByFilename", value: "\0" }))],
      "invalid_argument",
      "NUL_IN_TEXT",
      true,
    ],
  ] as const)("refuses %s at once, though the request goes on", async (_, pieces, code, reason, open) => {
    const outcome = await within(10_000, callGrpc(backstay.url, path, headers, pieces, open), "it is refused");
    expect({ code: outcome.code, reason: outcome.reason }).toEqual({ code, reason });
  });

  it("refuses an unknown compression", async () => {
    const body = [envelope(list.subarray(5), 1)];
    const outcome = await callGrpc(backstay.url, path, { ...headers, "grpc-encoding": "zstd" }, body, true);
    expect({ code: outcome.code, reason: outcome.reason }).toEqual({
      code: "unimplemented",
      reason: "UNSUPPORTED_ENCODING",
    });
  });

  it("takes gzip", async () => {
    const body = [envelope(gzipSync(list.subarray(5)), 1)];
    expect(await callGrpc(backstay.url, path, { ...headers, "grpc-encoding": "gzip" }, body)).toMatchObject({
      code: "",
    });
  });

  it("heeds the call's deadline", async () => {
    const asked = callGrpc(backstay.url, path, { ...headers, "grpc-timeout": "200m" }, [list], true);
    expect(await within(10_000, asked, "it ends")).toMatchObject({ code: "deadline_exceeded" });
  });

  it("is asked over HTTP/2 only: 505", async () => {
    const answer = await fetch(backstay.url + path, {
      method: "POST",
      headers: { "content-type": "application/connect+proto" },
      body: Buffer.from(list),
    });
    expect(answer.status).toBe(505);
    expect(await answer.text()).toContain("HTTP2_REQUIRED");
  });

  it("is opened so many times a minute from one address", async () => {
    const other = await startBackstay({ "limits.rate": "on" });
    others.push(other);
    const asked = Array.from({ length: 80 }, () => callGrpc(other.url, path, headers, [list]));
    const reasons = (await Promise.all(asked)).map(({ reason }) => reason);
    expect(reasons).toContain("");
    expect(reasons).toContain("RATE_LIMITED");
  });

  it("is closed when the server stops, so that nobody holds it up", async () => {
    const other = await startBackstay();
    const client = grpcClient(other.url);
    const stream = client.bidi(ServerReflection.method.serverReflectionInfo);
    const answers = stream[Symbol.asyncIterator]();
    stream.write({ messageRequest: { case: "listServices", value: "" } });
    await answers.next();
    const stopped = other.stop();
    expect((await within(10_000, answers.next(), "the stream ends")).done).toBe(true);
    await within(4_000, stopped, "the server stops");
    client.close();
  });

  it("never made the server stumble: the log knows no defect of ours", () => {
    expect(backstay.log()).not.toMatch(/"level":50|"code":"internal"/);
  });
});
