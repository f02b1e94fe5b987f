import { Code } from "@connectrpc/connect";
import { Access, RateClass } from "#gen/backstay/options/v1/options_pb.js";
import {
  ServerReflection as ReflectionV1,
  type ServerReflectionRequest as RequestV1,
} from "#gen/grpc/reflection/v1/reflection_pb.js";
import {
  ServerReflection as ReflectionV1Alpha,
  type ServerReflectionRequest as RequestV1Alpha,
} from "#gen/grpc/reflection/v1alpha/reflection_pb.js";
import type { Ctx } from "../../context.js";
import { type Served, serve } from "../../manifest.js";
import type { Descriptors } from "./descriptors.js";
import { places } from "./places.js";
import { until } from "./until.js";

/** What may be asked; v1 is v1alpha by another name. */
type Request = RequestV1 | RequestV1Alpha;

export const REFLECTION = [ReflectionV1, ReflectionV1Alpha] as const;

const TERMS = { access: Access.PUBLIC, rateClass: RateClass.STREAM };

/** Questions that may be open on this node. Each is for a tool at somebody's hand, so this is many. */
const MAX_STREAMS = 200;

/** gRPC server reflection: tells tools without a schema what is served here, and by which protos. */
export function reflectionServices(descriptors: Descriptors): Served[] {
  const open = places(MAX_STREAMS);
  async function* serverReflectionInfo<R extends Request>(requests: AsyncIterable<R>, ctx: Ctx) {
    const leave = open.enter();
    try {
      for await (const request of until(ctx.draining, requests)) {
        const { host: validHost } = request;
        yield { validHost, originalRequest: request, messageResponse: answer(descriptors, request.messageRequest) };
      }
    } finally {
      leave();
    }
  }
  return [
    serve(ReflectionV1, { serverReflectionInfo: serverReflectionInfo<RequestV1> }, TERMS),
    serve(ReflectionV1Alpha, { serverReflectionInfo: serverReflectionInfo<RequestV1Alpha> }, TERMS),
  ];
}

/** Answers one question. What is not there is told in the answer: the stream goes on. */
function answer(descriptors: Descriptors, asked: Request["messageRequest"]) {
  switch (asked.case) {
    case "listServices": {
      const service = descriptors.services.map((name) => ({ name }));
      return { case: "listServicesResponse" as const, value: { service } };
    }
    case "fileByFilename":
      return files(descriptors.byFilename(asked.value), `There is no file ${asked.value}.`);
    case "fileContainingSymbol":
      return files(descriptors.bySymbol(asked.value), `There is no symbol ${asked.value}.`);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = asked.value;
      const found = descriptors.byExtension(containingType, extensionNumber);
      return files(found, `${containingType} has no extension ${extensionNumber}.`);
    }
    case "allExtensionNumbersOfType": {
      const extensionNumber = descriptors.extensionNumbers(asked.value);
      if (extensionNumber === undefined) return error(Code.NotFound, `There is no type ${asked.value}.`);
      const value = { baseTypeName: asked.value, extensionNumber };
      return { case: "allExtensionNumbersResponse" as const, value };
    }
    default:
      return error(Code.InvalidArgument, "The request asks nothing that is known here.");
  }
}

function files(fileDescriptorProto: Uint8Array[] | undefined, otherwise: string) {
  if (fileDescriptorProto === undefined) return error(Code.NotFound, otherwise);
  return { case: "fileDescriptorResponse" as const, value: { fileDescriptorProto } };
}

function error(errorCode: Code, errorMessage: string) {
  return { case: "errorResponse" as const, value: { errorCode, errorMessage } };
}
