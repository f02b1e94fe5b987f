import { readBody } from "./body.js";
import type { Request } from "./dispatcher.js";
import { decompress } from "./envelope.js";

/** Reads a body of at most `limit` bytes as it was before it was compressed: what is decoded, and what is signed. */
export async function readWholeBody(req: Request, limit: number): Promise<Buffer> {
  return decompress(await readBody(req, limit), req.headers["content-encoding"]?.toLowerCase() ?? "identity", limit);
}
