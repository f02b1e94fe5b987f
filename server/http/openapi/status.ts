import type { JsonObject } from "@bufbuild/protobuf";
import { DomainError, REASONS } from "../../kernel/errors.js";
import { statusJson } from "../../rpc/wire-errors.js";

/** The message every error is. */
export const STATUS = "google.rpc.Status";

const REASON_LIST = Object.entries(REASONS).map(([reason, [kind, says]]) => `- \`${reason}\` (${kind}): ${says}`);

/** Errors as REST answers them, where the details are those the server gives. */
export const STATUS_SCHEMAS: JsonObject = {
  [STATUS]: {
    type: "object",
    description: "An error. Programs decide by the `reason` of its ErrorInfo.",
    properties: {
      code: { type: "integer", format: "int32", description: "The code of gRPC, such as 5 for NOT_FOUND." },
      message: { type: "string", description: "A sentence for developers." },
      details: {
        type: "array",
        description: "An ErrorInfo, and what else helps.",
        items: {
          anyOf: [
            { $ref: "#/components/schemas/google.rpc.ErrorInfo" },
            { $ref: "#/components/schemas/google.rpc.BadRequest" },
            { $ref: "#/components/schemas/google.rpc.RetryInfo" },
          ],
        },
      },
    },
    required: ["code", "message", "details"],
    examples: [statusJson(new DomainError("INVALID_FIELD", "The name is too long.", { field: "name" }))],
  },
  "google.rpc.ErrorInfo": detail("ErrorInfo", "Why, for programs.", {
    reason: { type: "string", description: `Why. Newer servers may know more reasons.\n\n${REASON_LIST.join("\n")}` },
    domain: { type: "string", description: "Whose reason it is: `backstay`." },
    metadata: {
      type: "object",
      additionalProperties: { type: "string" },
      description: "What belongs to the reason, such as the `requestId` of an internal error.",
    },
  }),
  "google.rpc.BadRequest": detail("BadRequest", "Which fields of the request are wrong.", {
    fieldViolations: {
      type: "array",
      description: "Each field that is wrong.",
      items: {
        type: "object",
        properties: {
          field: { type: "string", description: "Its path in JSON names, such as `name` or `filters[0].op`." },
          description: { type: "string", description: "What is wrong with it." },
        },
      },
    },
  }),
  "google.rpc.RetryInfo": detail("RetryInfo", "When a repeat makes sense.", {
    retryDelay: {
      type: "string",
      pattern: "^[0-9]+(\\.[0-9]{1,9})?s$",
      description: "After how long, such as `0.05s`.",
    },
  }),
};

function detail(name: string, description: string, properties: JsonObject): JsonObject {
  return {
    type: "object",
    description,
    properties: { "@type": { const: typeUrl(name), description: "Which kind of detail this is." }, ...properties },
    required: ["@type"],
  };
}

function typeUrl(name: string): string {
  return `type.googleapis.com/google.rpc.${name}`;
}
