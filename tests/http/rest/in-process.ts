import { IncomingMessage, type OutgoingHttpHeaders, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { Writable } from "node:stream";
import type { RestDoor } from "../../../server/http/rest/index.js";

/** A request as the door is given it, without a connection. */
export interface Asked {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer | undefined;
}

export interface Told {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
}

/** Asks the door with the request and response of node:http, but no socket; undefined where nothing is bound. */
export async function ask(door: RestDoor, { method, url, headers, body }: Asked): Promise<Told | undefined> {
  const match = door.match(method, url.split("?", 1)[0]!);
  if (match === undefined || "allow" in match) return undefined;
  const socket = new Socket();
  const req = new IncomingMessage(socket);
  Object.assign(req, { method, url, headers, complete: true });
  if (body !== undefined) {
    headers["transfer-encoding"] = "chunked";
    req.push(body);
  }
  req.push(null);
  const res = new ServerResponse(req);
  res.assignSocket(new Writable({ write: (_chunk, _encoding, done) => done() }) as Socket);
  const finished = new Promise<void>((resolve, reject) => {
    res.once("finish", resolve);
    res.once("close", () => (res.writableFinished ? resolve() : reject(new Error("the answer was broken off"))));
  });
  await Promise.all([finished, door.handle(req, res, match)]);
  return { status: res.statusCode, headers: res.getHeaders() };
}
