import { type DescField, getOption, type Message } from "@bufbuild/protobuf";
import { Access } from "#gen/backstay/options/v1/options_pb.js";
import { http } from "#gen/google/api/annotations_pb.js";
import type { Ports } from "../context.js";
import { isAdmin } from "../kernel/caller.js";
import { parseId } from "../kernel/ids.js";
import { describeError } from "../platform/log.js";
import type { Call } from "./call.js";
import type { Method } from "./methods.js";

/** Names of fields that name what a method is about. */
const ID = /^(?:.+_)?id$/;
/** As long as an id, or a cron's, may be; what is longer is none. */
const MOST_ID = 128;

/**
 * The answer of a call, once it stands in the audit log when it is one that has to: an administrator has changed what only
 * administrators may. Noted are the method and the id it was about, never the rest of the request. The call is done by then, so
 * that a failure to note it is logged and answered to nobody.
 */
export function audited(ports: Ports, call: Call, input: Message | AsyncIterable<Message>, answer: unknown): unknown {
  const { method, caller } = call;
  if (method.access !== Access.ADMIN || method.readOnly || !isAdmin(caller)) return answer;
  return Promise.resolve(answer).then(async (response) => {
    await record(ports, call, input).catch((error) => {
      ports.log.error(
        { id: call.requestId, method: method.name, ...describeError(error) },
        "the audit log lacks a call",
      );
    });
    return response;
  });
}

function record(ports: Ports, call: Call, input: Message | AsyncIterable<Message>): Promise<void> {
  const { caller, requestId, remote, method } = call;
  const field = idField(call.method);
  const id = field && idOf(field, input);
  const accountId = id !== undefined && isAccountId(method, field!) ? parseId(id) : undefined;
  // The call's own statements may be cut off by its deadline.
  const source = { db: ports.database, clock: ports.clock, caller, requestId, client: { address: remote } };
  const detail = { method: method.name, ...(id !== undefined && { id }) };
  return ports.audit.record(
    { ...source, afterCommit: (effect) => effect() },
    { type: "admin.called", accountId, detail },
  );
}

/** The field that a request begins with, when it is an id. */
function idField({ input }: Method): DescField | undefined {
  const first = input.fields.find(({ number }) => number === 1);
  return first !== undefined && ID.test(first.name) ? first : undefined;
}

/** Whether it is an account's: by its name, or by its place in the path that the contract gives the method. */
function isAccountId({ descriptor }: Method, { name }: DescField): boolean {
  const path = getOption(descriptor, http).pattern.value;
  return name === "account_id" || (typeof path === "string" && path.startsWith(`/v1/accounts/{${name}}`));
}

function idOf({ localName }: DescField, input: Message | AsyncIterable<Message>): string | undefined {
  const value = (input as unknown as Record<string, unknown>)[localName];
  return typeof value === "string" && value !== "" && value.length <= MOST_ID ? value : undefined;
}
