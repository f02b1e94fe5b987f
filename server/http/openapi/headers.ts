import type { JsonObject } from "@bufbuild/protobuf";
import type { Binding } from "../rest/bindings.js";

const SENT: Readonly<Record<string, { description: string; schema: JsonObject }>> = {
  "x-request-id": {
    description: "Names the call in the answer and in the log; made up when absent.",
    schema: { type: "string", pattern: "^[A-Za-z0-9._:-]{1,128}$" },
  },
  "x-server-timeout": {
    description: "Seconds after which the call is given up, such as `2.5`.",
    schema: { type: "number", minimum: 0 },
  },
  "idempotency-key": {
    description:
      "Makes a repeat of the same request by the same caller answer as the first did, where the method says so.",
    schema: { type: "string", pattern: "^[\\x21-\\x7e]{1,255}$" },
  },
  "last-event-id": {
    description: "Where an EventSource resumes: the last `id` it saw, before what the query says.",
    schema: { type: "string" },
  },
};

/** Headers a call may have, as parameters by their names. */
export const HEADER_PARAMETERS: JsonObject = Object.fromEntries(
  Object.entries(SENT).map(([name, about]) => [name, { name, in: "header", ...about }]),
);

/** Headers an answer may have. */
export const ANSWER_HEADERS: JsonObject = {
  "x-request-id": { description: "Names the call, as the log does.", schema: { type: "string" } },
  "www-authenticate": { description: "What to call with.", schema: { const: "Bearer" } },
  "retry-after": {
    description: "Seconds after which a repeat makes sense; only where it does.",
    schema: { type: "integer", minimum: 0 },
  },
};

export function headerParameters({ method, afterCursor }: Binding): JsonObject[] {
  const names = ["x-request-id", "x-server-timeout"];
  if (!method.readOnly) names.push("idempotency-key");
  if (afterCursor !== undefined) names.push("last-event-id");
  return names.map((name) => ({ $ref: `#/components/parameters/${name}` }));
}
