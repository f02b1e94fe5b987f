import type { DescMethodUnary, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Call, CallOptions } from "./call.js";

/**
 * The unary methods of a service as functions: the request's fields in, the response message out. A method that has no
 * fields to give may be called without any.
 */
export type ServiceClient<S extends DescService> = {
  [M in keyof S["method"] as S["method"][M] extends DescMethodUnary
    ? M
    : never]: S["method"][M] extends DescMethodUnary<infer I, infer O>
    ? (request?: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : never;
};

/** Makes the functions of a service. */
export function createServiceClient<S extends DescService>(service: S, call: Call): ServiceClient<S> {
  const functions: Record<string, unknown> = {};
  for (const method of service.methods) {
    if (method.methodKind !== "unary") continue;
    functions[method.localName] = (request = {}, options?: CallOptions) =>
      call(method as DescMethodUnary, request, options);
  }
  return functions as ServiceClient<S>;
}
