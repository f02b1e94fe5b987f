import type { Request, Response } from "../rpc/dispatcher.js";
import { allowedOrigins } from "../rpc/origins.js";
import { accessTokenName } from "../rpc/sent-signature.js";

const ALLOWED_HEADERS =
  "authorization, content-type, connect-protocol-version, connect-timeout-ms, connect-accept-encoding, " +
  "connect-content-encoding, grpc-timeout, idempotency-key, last-event-id, x-grpc-web, x-request-id, x-server-timeout, " +
  "x-user-agent, signature, signature-input, content-digest";
const EXPOSED_HEADERS = "grpc-status, grpc-message, grpc-status-details-bin, retry-after, x-request-id";

/** Which pages of other origins may call. */
export interface Cors {
  /** Sets the headers an allowed origin needs; answers whether the request was a preflight and is done. */
  handle(req: Request, res: Response): boolean;
}

/** In development every loopback origin may call, otherwise those that are listed. */
export function createCors(options: { origins: string; development: boolean; signatureName?: string }): Cors {
  const { isAllowed, any } = allowedOrigins(options);
  const { signatureName = "bk-signature" } = options;
  const allowedHeaders = `${ALLOWED_HEADERS}, ${signatureName}, ${accessTokenName(signatureName)}`;
  return {
    handle(req, res) {
      if (!any) return false;
      res.setHeader("vary", "origin");
      const { origin } = req.headers;
      if (origin === undefined) return false;
      const allowed = isAllowed(origin);
      if (allowed) {
        res.setHeader("access-control-allow-origin", origin);
        // The origin is named exactly, so its pages may send the session cookie; what they may do is the pipeline's matter.
        res.setHeader("access-control-allow-credentials", "true");
        res.setHeader("access-control-expose-headers", EXPOSED_HEADERS);
      }
      if (req.method !== "OPTIONS" || req.headers["access-control-request-method"] === undefined) return false;
      if (allowed) {
        res.setHeader("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE");
        res.setHeader("access-control-allow-headers", allowedHeaders);
        res.setHeader("access-control-max-age", "7200");
      }
      res.statusCode = 204;
      res.end();
      return true;
    },
  };
}
