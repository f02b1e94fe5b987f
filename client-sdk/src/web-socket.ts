import { BackstayError } from "./backstay-error.js";

/** What the client needs of a WebSocket: what the browser's has, and that of the package `ws`. */
export interface WebSocketLike {
  send(text: string): void;
  close(code?: number): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { code: number; reason: string }) => void): void;
}

/** A class of WebSockets. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

/** The class that was given, or else the global one, looked up now. Undefined where there is none, as on Node 20. */
export function findWebSocket(given: WebSocketConstructor | undefined): WebSocketConstructor | undefined {
  return given ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
}

/** The error of what needs a WebSocket where there is none. */
export function noWebSocket(): BackstayError {
  return new BackstayError("there is no WebSocket here: give createClient the option webSocket, such as that of `ws`", {
    code: "failed_precondition",
    reason: "NO_WEB_SOCKET",
  });
}

/** The error of a text that is to be a path of the server: anything else could name another host. */
export function notAPath(text: string): BackstayError {
  return new BackstayError(`a path begins with /, this is ${JSON.stringify(text.slice(0, 100))}`, {
    code: "invalid_argument",
    reason: "NOT_A_PATH",
  });
}

/** Where the socket at `path` is, on the server whose URL the client was given. Throws when that is no URL, or no path. */
export function socketUrl(server: string, path: string, query: Readonly<Record<string, string>> = {}): string {
  if (!path.startsWith("/")) throw notAPath(path);
  const url = new URL(server.replace(/\/+$/, "") + path, globalThis.location?.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  for (const [name, value] of Object.entries(query)) url.searchParams.append(name, value);
  return url.href;
}
