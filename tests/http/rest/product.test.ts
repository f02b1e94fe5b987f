import { readdirSync } from "node:fs";
import { type DescFile, type DescMethod, getOption } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { http } from "#gen/google/api/annotations_pb.js";
import type { Handler, Served } from "../../../server/manifest.js";
import { createDoor, echo } from "./library-server.js";

const gen = new URL("../../../gen/backstay/", import.meta.url);
const names = readdirSync(gen, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith("_pb.ts"));
const files = await Promise.all(names.map((name) => import(new URL(name, gen).href)));
const services = files.flatMap((file) =>
  (Object.values(file) as DescFile[]).filter((one) => one?.kind === "file").flatMap((one) => one.services),
);
const methods: DescMethod[] = services.flatMap((service) => service.methods);

function serveAll(): Served[] {
  return services.map((descriptor) => {
    const handlers = descriptor.methods.map((method) => [method.localName, echo] as [string, Handler]);
    return { descriptor, handlers: Object.fromEntries(handlers) };
  });
}

test("the RPCs of the product are found", () => {
  expect(methods.map((method) => method.name)).toContain("SendMessage");
});

test.each(methods.map((method) => [`${method.parent.name}.${method.name}`, method] as const))(
  "%s answers at its REST path",
  (_, method) => {
    const { door } = createDoor(serveAll());
    const { pattern } = getOption(method, http);
    if (pattern.case === undefined || pattern.case === "custom") throw new Error("expected a path of a plain method");
    const path = pattern.value.replace(/\{[^}]*\}/g, "0192");
    const match = door.match(pattern.case.toUpperCase(), path);
    if (match === undefined || "allow" in match) throw new Error(`nothing answers at ${path}`);
    expect(match.binding.method.descriptor).toBe(method);
  },
);
