import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { DomainError } from "../kernel/errors.js";
import { type CallRequest, requestIdOf } from "../rpc/call.js";
import { type createDispatcher, plainFormat, type Request, type Response } from "../rpc/dispatcher.js";
import { type createFramedDoor, framingOf } from "../rpc/framed.js";
import type { Method } from "../rpc/methods.js";
import { pathOf } from "../rpc/url.js";
import { connectErrorJson, httpStatus, toConnectError } from "../rpc/wire-errors.js";
import type { Cors } from "./cors.js";
import type { Health } from "./health.js";
import type { OpenApiPage } from "./openapi/index.js";
import type { PageGate } from "./page-gate.js";
import type { Page, Pages } from "./pages/pages.js";
import { isGone, methodNotAllowed, notFound, type RestDoor } from "./rest/index.js";

export interface RootParts {
  methods: ReadonlyMap<string, Method>;
  dispatcher: ReturnType<typeof createDispatcher>;
  framed: ReturnType<typeof createFramedDoor>;
  rest: RestDoor;
  cors: Cors;
  health: Health;
  pages: Pages;
  /** Without it everybody may GET what no RPC answers. */
  pageGate: PageGate | undefined;
  openApi: OpenApiPage;
  /** Paths besides those of the contract. */
  paths: MorePaths | undefined;
  /** Told of what should never happen: a door that failed after it had begun to answer. */
  onFailure(error: unknown): void;
}

/** Paths that a door of somebody else answers, whatever the HTTP method. */
export interface MorePaths {
  find(path: string): ((req: Request, res: Response) => Promise<void>) | undefined;
}

/** The path of an RPC that might be: a qualified service, then a method. */
const RPC_PATH = /^\/(?:[a-z][\w]*\.)+[A-Z]\w*\/[A-Z]\w*$/;

/** Takes every request of the port to its door. */
export function createRoot(parts: RootParts): (req: Request, res: Response) => void {
  const { methods, dispatcher, framed, rest, cors, health, pages, pageGate, openApi, paths } = parts;

  const callRpc = (req: Request, res: Response, method: Method): Promise<void> | undefined => {
    const format = plainFormat(req, method);
    if (format !== undefined) return dispatcher(req, res, method, format);
    const framing = framingOf(req, method);
    if (framing !== undefined) return framed(req, res, method, framing);
    if (req.method === "POST") return refuse(req, res, new DomainError("UNSUPPORTED_MEDIA_TYPE"));
    res.setHeader("allow", method.readOnly && !method.stream ? "GET, POST" : "POST");
    return refuse(req, res, new DomainError("METHOD_NOT_ALLOWED"));
  };

  const answerReady = async (res: Response) => {
    const ready = await health.isReady();
    answer(
      res,
      ready ? 200 : 503,
      "application/json",
      JSON.stringify(ready ? readyStatus() : { status: "unavailable" }),
    );
  };
  /** What a server can do without for a while does not keep calls from it. */
  const readyStatus = () => {
    const { away, eventLagMs } = health.missing();
    return away.length === 0 ? { status: "ok" } : { status: "degraded", away, eventLagMs };
  };

  const route = (req: Request, res: Response): Promise<void> | undefined => {
    if (cors.handle(req, res)) return;
    const path = pathOf(req.url);
    const method = methods.get(path);
    if (method !== undefined) return callRpc(req, res, method);
    if (path === "/healthz") return answer(res, 200, "application/json", '{"status":"ok"}');
    if (path === "/readyz") return answerReady(res);
    if (path === "/openapi.json") return openApi.answer(req, res);
    const isGet = req.method === "GET" || req.method === "HEAD";
    const page = isGet ? pages.find(path, req as CallRequest) : undefined;
    if (page !== undefined) return pageGate === undefined ? answerPage(res, page) : gatedPage(req, res, page, pageGate);
    const more = paths?.find(path);
    if (more !== undefined) return more(req, res);
    const match = rest.match(req.method ?? "", path);
    if (match === undefined) {
      if (RPC_PATH.test(path)) return refuse(req, res, new DomainError("UNKNOWN_METHOD"));
      // An app may send whoever looks for a page of its own elsewhere.
      if (isGet && pageGate !== undefined) return gatedPage(req, res, undefined, pageGate);
      return notFound(res, requestIdOf(req.headers));
    }
    if ("allow" in match) return methodNotAllowed(res, requestIdOf(req.headers), match.allow);
    return rest.handle(req, res, match);
  };

  return (req, res) => {
    route(req, res)?.catch((error) => {
      // A caller who hangs up in the middle of an answer ends here too; there is nobody left to tell.
      if (!res.writableEnded && !isGone(res)) parts.onFailure(error);
      res.destroy();
    });
  };
}

/** Refuses a request to an RPC path in the words of the protocol it seems to speak. */
function refuse(req: Request, res: Response, error: DomainError): undefined {
  res.setHeader("x-request-id", requestIdOf(req.headers));
  const type = req.headers["content-type"] ?? "";
  if (!type.startsWith("application/grpc") || error.reason === "UNSUPPORTED_MEDIA_TYPE") {
    return answer(res, httpStatus(error), "application/json", connectErrorJson(error));
  }
  const trailers = new Headers();
  setTrailerStatus(trailers, toConnectError(error));
  for (const [name, value] of trailers) res.setHeader(name, value);
  return answer(res, 200, type.split(";", 1)[0]!, "");
}

/** Answers a page, or that there is none, if the app's hooks let it be. */
async function gatedPage(req: Request, res: Response, page: Page | undefined, gate: PageGate): Promise<void> {
  if (!(await gate(req, res))) return;
  if (page === undefined) notFound(res, requestIdOf(req.headers));
  else answerPage(res, page);
}

function answerPage(res: Response, page: Page): undefined {
  for (const [name, value] of Object.entries(page.headers)) res.setHeader(name, value);
  return answer(res, 200, "text/html; charset=utf-8", page.body);
}

function answer(res: Response, status: number, type: string, body: string): undefined {
  res.statusCode = status;
  res.setHeader("content-type", type);
  res.setHeader("content-length", Buffer.byteLength(body));
  // A body of nothing is a frame of its own in HTTP/2, and headers that are not the stream's end are no trailers to gRPC.
  if (body === "") res.end();
  else res.end(body);
  return undefined;
}
