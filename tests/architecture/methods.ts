import { existsSync, readFileSync } from "node:fs";
import { type DescFile, type DescMethod, getOption, hasOption } from "@bufbuild/protobuf";
import { access, rate_class } from "#gen/backstay/options/v1/options_pb.js";
import { http } from "#gen/google/api/annotations_pb.js";
import type { Finding } from "./source.js";

/** What the rules ask of one RPC. */
export interface MethodFacts {
  readonly proto: string;
  /** Such as MessageService.SendMessage. */
  readonly name: string;
  readonly hasAccess: boolean;
  readonly hasRateClass: boolean;
  readonly hasRestPath: boolean;
  readonly hasComment: boolean;
  readonly testFile: string;
  readonly hasTest: boolean;
}

export type MethodRule = (methods: readonly MethodFacts[]) => Finding[];

export const everyMethodSaysWhoMayCall = rule(
  (method) => method.hasAccess,
  () => "has no option (backstay.options.v1.access)",
);
export const everyMethodHasARateClass = rule(
  (method) => method.hasRateClass,
  () => "has no option (backstay.options.v1.rate_class)",
);
export const everyMethodHasARestPath = rule(
  (method) => method.hasRestPath,
  () => "has no REST path, option (google.api.http)",
);
export const everyMethodIsDocumented = rule(
  (method) => method.hasComment,
  () => "has no comment above it",
);
export const everyMethodHasATest = rule(
  (method) => method.hasTest,
  (method) => `has no test ${method.testFile}`,
);

function rule(holds: (method: MethodFacts) => boolean, lacks: (method: MethodFacts) => string): MethodRule {
  return (methods) =>
    methods
      .filter((method) => !holds(method))
      .map((method) => ({ file: method.proto, says: `${method.name} ${lacks(method)}` }));
}

/** The facts of all methods of `files`, whose protos and tests lie under `root`. */
export function methodFacts(files: readonly DescFile[], root: URL): MethodFacts[] {
  return files.flatMap((file) => {
    const proto = `proto/${file.proto.name}`;
    const text = readFileSync(new URL(proto, root), "utf8");
    return file.services.flatMap((service) => service.methods.map((method) => factsOf(method, proto, text, root)));
  });
}

function factsOf(method: DescMethod, proto: string, text: string, root: URL): MethodFacts {
  const [, domain = ""] = method.parent.file.proto.package.split(".");
  const testFile = `tests/domains/${domain}/${kebab(method.name)}.test.ts`;
  return {
    proto,
    name: `${method.parent.name}.${method.name}`,
    hasAccess: getOption(method, access) !== 0,
    hasRateClass: getOption(method, rate_class) !== 0,
    hasRestPath: hasOption(method, http) && getOption(method, http).pattern.case !== undefined,
    hasComment: hasCommentAbove(text, method),
    testFile,
    hasTest: existsSync(new URL(testFile, root)),
  };
}

/** Descriptors in gen/ carry no comments, so the proto is asked. */
function hasCommentAbove(text: string, method: DescMethod): boolean {
  const lines = text.split("\n").map((line) => line.trim());
  const service = lines.findIndex((line) => line.startsWith(`service ${method.parent.name} `));
  const rpc = lines.findIndex((line, index) => index > service && line.startsWith(`rpc ${method.name}(`));
  return rpc > 0 && /^\/\/\s*\S/.test(lines[rpc - 1] ?? "");
}

function kebab(name: string): string {
  return name.replace(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, "-").toLowerCase();
}
