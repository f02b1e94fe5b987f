import docs from "#gen/docs.json" with { type: "json" };
import type { Method } from "../../rpc/methods.js";
import { openApi } from "./document.js";

export { createOpenApiPage, type OpenApiPage } from "./page.js";

const DESCRIPTION = `One RPC is reached by several doors: REST as below, and Connect, gRPC and gRPC-Web at \
\`POST /package.Service/Method\`. All share their messages, rights and errors.

JSON is that of Protocol Buffers: 64-bit integers are text, times are RFC 3339, bytes are base64, and fields that have \
their zero value are left out of answers. Fields nobody knows are refused.

Every error is a \`google.rpc.Status\`. Programs decide by the \`reason\` of its ErrorInfo, people read its \`message\`, and \
\`x-request-id\` finds the call in the log. A list with \`nextPageToken\` goes on: ask again with it as \`pageToken\`.`;

/** The OpenAPI document of our own methods, as the server and the command line give it. */
export function openApiJson(methods: Iterable<Method>, version: string): string {
  const info = {
    title: "Backstay",
    version,
    summary: "A self-hosted app backend.",
    description: DESCRIPTION,
    license: { name: "Apache License 2.0", identifier: "Apache-2.0" },
  };
  return `${JSON.stringify(openApi({ methods, docs, info }), null, 2)}\n`;
}
