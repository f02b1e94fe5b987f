import { type DescMethod, getOption } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Access, access } from "#gen/backstay/options/v1/options_pb.js";
import { REASONS } from "../../server/kernel/errors.js";
import { generatedDescriptors } from "../architecture/project.js";
import type { TestBackstay } from "../support/backstay.js";
import { callByConnect, callByRest } from "./call.js";
import { newPeople, type People, ROLES, type Role, startHouse, tokenOf } from "./house.js";
import { type Asked, requestsTo } from "./requests.js";

// Every RPC as everybody: what each is told follows from the method's own option and from whose the thing is.

const services = (await generatedDescriptors()).flatMap((file) => file.services);
const methods = services.flatMap((service) => service.methods);

let backstay: TestBackstay;
let people: People;
let requests: Readonly<Record<string, Asked>>;
beforeAll(async () => {
  backstay = await startHouse();
  people = await newPeople(backstay);
  requests = requestsTo(backstay);
});
afterAll(() => backstay.stop());

const nameOf = (method: DescMethod) => `${method.parent.name}/${method.name}`;

/** The reason a role is to be told; empty when it is answered. */
function expected(method: DescMethod, asked: Asked, role: Role): string {
  const may = asked.says ?? "";
  const who = getOption(method, access);
  if (who === Access.PUBLIC) return may;
  if (role === "anonymous") return "TOKEN_MISSING";
  if (role === "narrow key") return "SCOPE_MISSING";
  if (who === Access.ADMIN) return role === "admin" || role === "operator" ? may : "ADMIN_REQUIRED";
  if (role === "operator") return asked.self ? "ACCOUNT_REQUIRED" : may;
  if (role === "other" || (role === "admin" && asked.privateToOwner)) return asked.others ?? may;
  return may;
}

async function callAs(method: DescMethod, role: Role, by: typeof callByConnect) {
  const asked = requests[nameOf(method)];
  if (asked === undefined) throw new Error(`${nameOf(method)} has no request in requests.ts`);
  const those = asked.spends ? await newPeople(backstay) : people;
  const request = await asked.request(those);
  return { asked, outcome: await by(backstay, method, request, tokenOf(backstay, those, role)) };
}

it("has a request for every RPC, and for no other", () => {
  expect(Object.keys(requests).sort()).toEqual(methods.map(nameOf).sort());
});

describe.each(services.map((service) => [service.name, service] as const))("%s", (_, service) => {
  it.each(service.methods.map((method) => [method.name, method] as const))("%s", async (_, method) => {
    for (const role of ROLES) {
      const { asked, outcome } = await callAs(method, role, callByConnect);
      const reason = expected(method, asked, role);
      const code = reason === "" ? "" : REASONS[reason as keyof typeof REASONS][0];
      expect({ role, code: outcome.code, reason: outcome.reason }).toEqual({ role, code, reason });
      if (role === "other" && asked.othersAnswer !== undefined) expect(outcome.answer).toEqual(asked.othersAnswer);
    }
    // The other doors share what decides this; that they do is seen by one of them, as one role.
    const { asked, outcome } = await callAs(method, "other", callByRest);
    expect({ by: "REST", reason: outcome.reason }).toEqual({ by: "REST", reason: expected(method, asked, "other") });
  });
});
