import type { DescService, JsonObject } from "@bufbuild/protobuf";
import type { Method } from "../../rpc/methods.js";
import { type Binding, bindingsOf } from "../rest/bindings.js";
import { requestBody, success } from "./bodies.js";
import { commentOf, type Docs, described, summaryOf, toMarkdown } from "./docs.js";
import { ANSWER_HEADERS, HEADER_PARAMETERS, headerParameters } from "./headers.js";
import { pathParameter, queryParameters } from "./parameters.js";
import { createPathWriter, type PathParameter } from "./paths.js";
import { commonRefusals, ownRefusals } from "./reasons.js";
import { createResponses } from "./responses.js";
import { createSchemas, reachable } from "./schemas.js";
import { SECURITY_SCHEMES, securityOf } from "./security.js";
import { STATUS_SCHEMAS } from "./status.js";
import { SYSTEM_PATHS, SYSTEM_TAG } from "./system.js";

export interface OpenApiSource {
  readonly methods: Iterable<Method>;
  /** The comments of the methods and messages. */
  readonly docs: Docs;
  readonly info: JsonObject;
}

/** The methods OpenAPI has a place for. */
const VERBS = /^(GET|PUT|POST|DELETE|OPTIONS|HEAD|PATCH|TRACE)$/;

/** Describes the REST paths of methods as an OpenAPI 3.1 document, from the bindings that the server routes by. */
export function openApi({ methods, docs, info }: OpenApiSource): JsonObject {
  const bound = [...methods]
    .map((method) => ({ method, bindings: bindingsOf(method).filter(hasPlace) }))
    .filter(({ bindings }) => bindings.length > 0);
  const descriptors = bound.map(({ method }) => method.descriptor);
  const answered = reachable(bound.map(({ method }) => method.output));
  const schemas = createSchemas(docs, (desc) => answered.has(desc), STATUS_SCHEMAS);
  const responses = createResponses();
  const writePath = createPathWriter();
  const nameOf = serviceNames(bound.map(({ method }) => method.descriptor.parent));

  const describe = (binding: Binding, operationId: string, inPath: readonly PathParameter[]): JsonObject => {
    const { descriptor, access } = binding.method;
    const comment = commentOf(docs, descriptor);
    return {
      tags: [nameOf(descriptor.parent)],
      summary: summaryOf(comment) || descriptor.name,
      ...described(toMarkdown(comment)),
      operationId,
      ...(descriptor.deprecated && { deprecated: true }),
      ...securityOf(access),
      parameters: [
        ...inPath.map((parameter) => pathParameter(parameter, schemas, docs)),
        ...queryParameters(binding, schemas, docs),
        ...headerParameters(binding),
      ],
      ...requestBody(binding, schemas, docs),
      responses: {
        200: success(binding, schemas, docs),
        ...responses.refusals(ownRefusals(descriptor, descriptors, docs), commonRefusals(binding)),
      },
    };
  };

  const paths: Record<string, JsonObject> = {};
  for (const { method, bindings } of bound) {
    const operationId = `${nameOf(method.descriptor.parent)}_${method.descriptor.name}`;
    for (const [index, binding] of bindings.entries()) {
      const { text, parameters } = writePath(binding);
      const id = index === 0 ? operationId : `${operationId}_${index + 1}`;
      paths[text] = { ...paths[text], [verbOf(binding)]: describe(binding, id, parameters) };
    }
  }

  const services = [...new Set(descriptors.map(({ parent }) => parent))];
  return {
    openapi: "3.1.1",
    info,
    servers: [{ url: "/" }],
    tags: [
      ...services.map((service) => ({ name: nameOf(service), ...described(commentOf(docs, service)) })),
      SYSTEM_TAG,
    ],
    paths: { ...paths, ...SYSTEM_PATHS },
    components: {
      schemas: schemas.components,
      responses: responses.components,
      parameters: HEADER_PARAMETERS,
      headers: ANSWER_HEADERS,
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

/** An HTTP method of a name OpenAPI does not know is served, but cannot be described; a stream of JSON is not asked by REST. */
function hasPlace({ httpMethod, method, takesBytes }: Binding): boolean {
  const isAsked = !method.streamsRequests || (takesBytes !== undefined && !method.stream);
  return isAsked && (httpMethod === "*" || VERBS.test(httpMethod));
}

/** What is bound to any method is shown as POST. */
function verbOf({ httpMethod }: Binding): string {
  return httpMethod === "*" ? "post" : httpMethod.toLowerCase();
}

/** The short name of a service, or the full one when two share it. */
function serviceNames(services: readonly DescService[]): (service: DescService) => string {
  return ({ name, typeName }) => {
    const isAlone = services.every((other) => other.name !== name || other.typeName === typeName);
    return isAlone ? name : typeName.replaceAll(".", "_");
  };
}
