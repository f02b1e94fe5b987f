import type { JsonObject } from "@bufbuild/protobuf";
import { Access } from "#gen/backstay/options/v1/options_pb.js";

/** How a call proves who makes it. */
export const SECURITY_SCHEMES: JsonObject = {
  bearer: {
    type: "http",
    scheme: "bearer",
    description: "An access token from SignIn or Refresh, valid for 15 minutes unless configured otherwise.",
  },
  session: {
    type: "apiKey",
    in: "cookie",
    name: "__Host-backstay",
    description:
      "The session cookie of a browser; `backstay_dev` where a plain connection never leaves the machine. Calls that " +
      "change something must come from the server's own origin, or one of `cors.origins`.",
  },
  signature: {
    type: "apiKey",
    in: "header",
    name: "bk-signature",
    description:
      "The request, signed with the account's secret, for accounts that can sign (`auth.signatures`): " +
      "`version|tag|login|digest|expires|checksum|`. The name of the header is `auth.signature_name`.",
  },
};

const ANY_PROOF: JsonObject[] = [{ bearer: [] }, { session: [] }, { signature: [] }];

/** What a method asks of its caller. Who calls a public method is told by a proof, but none is needed. */
export function securityOf(access: Access): JsonObject {
  const security =
    access === Access.PUBLIC ? [{}, ...ANY_PROOF] : access === Access.HOST ? [{ bearer: [] }] : ANY_PROOF;
  return { security, "x-backstay-access": Access[access].toLowerCase() };
}
