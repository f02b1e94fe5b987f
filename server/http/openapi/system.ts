import type { JsonObject } from "@bufbuild/protobuf";

/** What the port answers without any RPC. */
export const SYSTEM_TAG: JsonObject = { name: "Health", description: "For whoever runs and balances the server." };

export const SYSTEM_PATHS: JsonObject = {
  "/healthz": { get: probe("Healthz", "Whether the process lives.", "It lives.") },
  "/readyz": {
    get: probe(
      "Readyz",
      "Whether calls are answered: started, not stopping, with its database.",
      "They are.",
      "Not now.",
    ),
  },
};

function probe(operationId: string, summary: string, yes: string, no?: string): JsonObject {
  return {
    tags: [SYSTEM_TAG.name!],
    summary,
    operationId,
    security: [],
    responses: { 200: answer(yes, "ok"), ...(no !== undefined && { 503: answer(no, "unavailable") }) },
  };
}

function answer(description: string, status: string): JsonObject {
  const schema = { type: "object", properties: { status: { const: status } }, required: ["status"] };
  return { description, content: { "application/json": { schema } } };
}
