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

/** Where the socket at `path` is, on the server whose URL the client was given. Throws when that is no URL. */
export function socketUrl(server: string, path: string, query: Readonly<Record<string, string>> = {}): string {
  const url = new URL(server.replace(/\/+$/, "") + path, globalThis.location?.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  for (const [name, value] of Object.entries(query)) url.searchParams.append(name, value);
  return url.href;
}
