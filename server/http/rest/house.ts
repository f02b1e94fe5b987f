/** Everything this folder takes from the house around it: to use it elsewhere, write this one file anew. */
export { http } from "#gen/google/api/annotations_pb.js";
export type { HttpRule } from "#gen/google/api/http_pb.js";
export { DomainError } from "../../kernel/errors.js";
export { Redirect } from "../../kernel/redirect.js";
export { encoder } from "../../kernel/share.js";
export { readBody, readPieces } from "../../rpc/body.js";
export { Call, type CallRequest } from "../../rpc/call.js";
export type { Codec } from "../../rpc/codec.js";
export { hangUpAfter, type Request, type Response } from "../../rpc/dispatcher.js";
export { decompress } from "../../rpc/envelope.js";
export type { Method } from "../../rpc/methods.js";
export { type Pipeline, tooLarge } from "../../rpc/pipeline.js";
export { isGone, ResponseOutlet } from "../../rpc/response-outlet.js";
export { isSameName } from "../../rpc/same-name.js";
export { checkShape } from "../../rpc/shape.js";
export { wantedOf, wrongType } from "../../rpc/wanted.js";
export { plainStatus, statusJson } from "../../rpc/wire-errors.js";
