import { STATUS_CODES } from "node:http";
import type { JsonObject } from "@bufbuild/protobuf";
import { REASONS, type Reason } from "../../kernel/errors.js";
import { lateRefusals, type Refusals } from "./reasons.js";
import { STATUS } from "./status.js";

/** Describes refusals; those that many operations share are written once. */
export interface Responses {
  /** `own` are those of the operation itself, `common` those that others have too. */
  refusals(own: Refusals, common: Refusals): JsonObject;
  readonly components: JsonObject;
}

export function createResponses(): Responses {
  const components: JsonObject = { Error: refusal("Any other error, such as:", statusLines(lateRefusals()), RETRY) };
  const names = new Map<string, string>();

  const share = (status: number, response: JsonObject): JsonObject => {
    const text = JSON.stringify(response);
    let name = names.get(text);
    if (name === undefined) {
      const phrase = (STATUS_CODES[status] ?? `${status}`).replace(/\W/g, "");
      name = phrase;
      for (let n = 2; name in components; n++) name = `${phrase}_${n}`;
      names.set(text, name);
      components[name] = response;
    }
    return { $ref: `#/components/responses/${name}` };
  };

  return {
    refusals(own, common) {
      const statuses = [...new Set([...own.keys(), ...common.keys()])].sort((a, b) => a - b);
      const list = statuses.map((status): [string, JsonObject] => {
        const shared = common.get(status) ?? new Set();
        const special = [...(own.get(status) ?? [])].filter((reason) => !shared.has(reason));
        const lines = [...special, ...shared].map(lineOf);
        const response = refusal(`${STATUS_CODES[status]}:`, lines, MORE_HEADERS[status] ?? {});
        return [`${status}`, special.length === 0 && shared.size > 0 ? share(status, response) : response];
      });
      return { ...Object.fromEntries(list), default: { $ref: "#/components/responses/Error" } };
    },
    components,
  };
}

const RETRY: JsonObject = { "retry-after": { $ref: "#/components/headers/retry-after" } };
const MORE_HEADERS: Readonly<Record<number, JsonObject>> = {
  401: { "www-authenticate": { $ref: "#/components/headers/www-authenticate" } },
  429: RETRY,
};

function refusal(says: string, lines: readonly string[], headers: JsonObject): JsonObject {
  return {
    description: lines.length === 0 ? says.replace(/:$/, ".") : `${says}\n\n${lines.join("\n")}`,
    headers: { "x-request-id": { $ref: "#/components/headers/x-request-id" }, ...headers },
    content: { "application/json": { schema: { $ref: `#/components/schemas/${STATUS}` } } },
  };
}

function lineOf(reason: Reason): string {
  return `- \`${reason}\`: ${REASONS[reason][1]}`;
}

function statusLines(refusals: Refusals): string[] {
  return [...refusals].flatMap(([status, reasons]) =>
    [...reasons].map((reason) => `- ${status} \`${reason}\`: ${REASONS[reason][1]}`),
  );
}
