import { type DescMessage, type DescMethod, getOption, hasOption } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Access, access, RateClass, rate_class } from "#gen/backstay/options/v1/options_pb.js";
import { type AccessRules, NO_RULES } from "../kernel/access-rules.js";
import type { Handler, Served } from "../manifest.js";
import { accessHere, type MethodAccess } from "./access.js";

/** An RPC with everything the pipeline needs to know of it, read once from its descriptor. */
export interface Method extends MethodAccess {
  /** `backstay.messages.v1.MessageService/SendMessage`. */
  readonly name: string;
  /** The same with a leading slash: where Connect and gRPC call it. */
  readonly path: string;
  readonly descriptor: DescMethod;
  readonly input: DescMessage;
  readonly output: DescMessage;
  /** Whether it answers a stream. */
  readonly stream: boolean;
  /** Whether it is asked by a stream. */
  readonly streamsRequests: boolean;
  /** Whether a call may stay for minutes, so that its end must be heeded. */
  readonly longLived: boolean;
  /** Whether it changes nothing, so that it may be called by GET and repeated. */
  readonly readOnly: boolean;
  /** Whether a signature proves one call of it and no second. */
  readonly signedOnce: boolean;
  readonly rateClass: RateClass;
  readonly handler: Handler;
}

/**
 * Every RPC that is served, by its path, with what the rules of the installation make of its access. Throws, naming the method,
 * when one lacks access, rate class or handler.
 */
export function methodTable(services: readonly Served[], rules: AccessRules = NO_RULES): ReadonlyMap<string, Method> {
  const table = new Map<string, Method>();
  for (const { descriptor, handlers, terms } of services) {
    for (const method of descriptor.methods) {
      const handler = handlers[method.localName];
      const name = `${descriptor.typeName}/${method.name}`;
      if (handler === undefined) throw new Error(`${name} has no handler`);
      table.set(`/${name}`, describe(name, method, handler, rules, terms));
    }
  }
  return table;
}

function describe(
  name: string,
  descriptor: DescMethod,
  handler: Handler,
  rules: AccessRules,
  terms?: Served["terms"],
): Method {
  const who = hasOption(descriptor, access) ? getOption(descriptor, access) : terms?.access;
  const rate = hasOption(descriptor, rate_class) ? getOption(descriptor, rate_class) : terms?.rateClass;
  if (who === undefined || who === Access.UNSPECIFIED) throw new Error(`${name} does not say who may call it`);
  if (rate === undefined || rate === RateClass.UNSPECIFIED) throw new Error(`${name} has no rate class`);
  const stream = descriptor.methodKind === "server_streaming" || descriptor.methodKind === "bidi_streaming";
  const streamsRequests = descriptor.methodKind === "client_streaming" || descriptor.methodKind === "bidi_streaming";
  const readOnly = descriptor.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
  return {
    name,
    path: `/${name}`,
    descriptor,
    input: descriptor.input,
    output: descriptor.output,
    stream,
    streamsRequests,
    longLived: stream || streamsRequests || rate === RateClass.STREAM,
    readOnly,
    signedOnce: !readOnly,
    ...accessHere(name, who, rules),
    rateClass: rate,
    handler,
  };
}
