import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { requestIdOf } from "../../rpc/call.js";
import type { Request, Response } from "../../rpc/dispatcher.js";
import { likesGzip } from "../rest/accept.js";
import { methodNotAllowed } from "../rest/index.js";

/** Answers `/openapi.json`. */
export interface OpenApiPage {
  answer(req: Request, res: Response): undefined;
}

/** `write` is called once, by the first who asks. */
export function createOpenApiPage(write: () => string): OpenApiPage {
  let made: { text: Buffer; gzip: Buffer; etag: string } | undefined;
  const make = () => {
    const text = Buffer.from(write());
    const etag = `W/"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`;
    return { text, gzip: gzipSync(text), etag };
  };

  return {
    answer(req, res) {
      const requestId = requestIdOf(req.headers);
      if (req.method !== "GET" && req.method !== "HEAD") return methodNotAllowed(res, requestId, ["GET", "HEAD"]);
      made ??= make();
      const { text, gzip, etag } = made;
      const vary = res.getHeader("vary");
      res.setHeader("vary", vary === undefined ? "accept-encoding" : `${vary}, accept-encoding`);
      res.setHeader("x-request-id", requestId);
      res.setHeader("cache-control", "no-cache");
      res.setHeader("etag", etag);
      if (isKnown(req.headers["if-none-match"], etag)) {
        res.statusCode = 304;
        (res as ServerResponse).end();
        return;
      }
      const packed = likesGzip(String(req.headers["accept-encoding"] ?? ""));
      if (packed) res.setHeader("content-encoding", "gzip");
      res.setHeader("content-type", "application/json");
      res.setHeader("content-length", packed ? gzip.length : text.length);
      (res as ServerResponse).end(req.method === "HEAD" ? undefined : packed ? gzip : text);
    },
  };
}

/** Tags are compared weakly, since the answer is the same whether it is packed or not. */
function isKnown(header: string | undefined, etag: string): boolean {
  const tags = header?.split(",").map((tag) => tag.trim().replace(/^W\//, "")) ?? [];
  return tags.includes("*") || tags.includes(etag.slice(2));
}
