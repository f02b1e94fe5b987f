import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { type AccountsClient, createAccountsClient } from "./accounts.js";
import { type AppSocket, openAppSocket, type SocketOptions } from "./app-socket.js";
import { type AuthClient, createAuthClient, storedTokens } from "./auth.js";
import type { Backoff } from "./backoff.js";
import { createCall, type RetryPolicy } from "./call.js";
import { cancellableFetch } from "./cancellable-fetch.js";
import { createEventsClient, type EventsClient } from "./events.js";
import { AuthService } from "./gen/backstay/auth/v1/auth_pb.js";
import { CacheService } from "./gen/backstay/cache/v1/cache_pb.js";
import { ConnectionService } from "./gen/backstay/connections/v1/connections_pb.js";
import { CounterService } from "./gen/backstay/counters/v1/counters_pb.js";
import { HistoryService } from "./gen/backstay/history/v1/history_pb.js";
import { MessageService } from "./gen/backstay/messages/v1/messages_pb.js";
import { SystemService } from "./gen/backstay/system/v1/system_pb.js";
import { createJobsClient, type JobsClient } from "./jobs.js";
import { createServiceClient, type ServiceClient } from "./service-client.js";
import { fixedSession, storedSession } from "./session.js";
import { signingFetch } from "./sign-fetch.js";
import type { ApiKey } from "./sign-request.js";
import { createSubscribeLine } from "./subscribe-line.js";
import { openSubscribeSocket } from "./subscribe-socket.js";
import { type OpenSubscribeStream, openSubscribeStream } from "./subscribe-stream.js";
import { defaultStore, type TokenStore } from "./token-store.js";
import { findWebSocket, socketUrl, type WebSocketConstructor } from "./web-socket.js";

const TIMEOUT_MS = 30_000;
const RETRY: RetryPolicy = { attempts: 4, minDelayMs: 100, maxDelayMs: 2_000 };
const RECONNECT: Backoff = { minDelayMs: 250, maxDelayMs: 10_000 };

// The server answers a repeated refresh for 10 s and takes a later one for theft: the last attempt must begin before.
const REFRESH_TIMEOUT_MS = 8_000;

const SOCKET_PATH = "/ws";
const CHECK_TIMEOUT_MS = 5_000;

/** How a client behaves. Everything has a default. */
export interface ClientOptions {
  /** A token to send with every call, such as an administrator's. It is never renewed, and nobody signs in or out. */
  token?: string | undefined;
  /**
   * An API key to call with, instead of a token. As text, it is sent with every call. With its id, it is never sent: every call is
   * signed with it, which needs Web Crypto, and no WebSockets are opened, since they cannot be signed.
   *
   * ```ts
   * const client = createClient("https://api.example.com", { apiKey: { id: keyId, key: "bs_ak_..." } });
   * ```
   */
  apiKey?: string | ApiKey | undefined;
  /** Where tokens are kept. Default: localStorage in a browser, memory elsewhere. */
  store?: TokenStore | undefined;
  /** How messages are written: `binary` (the default) is smaller and faster, `json` can be read in a browser's tools. */
  format?: "binary" | "json" | undefined;
  /** How long a call may take in all, repeats included, in milliseconds; 30,000. 0 is no limit. */
  timeoutMs?: number | undefined;
  /**
   * How calls that may be repeated are when the server is unavailable: at most `attempts` times (4) in all, a random
   * time apart that is at most `minDelayMs` (100) after the first failure, twice as much after the next, and never more
   * than `maxDelayMs` (2,000).
   */
  retry?: Partial<RetryPolicy> | undefined;
  /** The same for the connections of subscriptions, which are made for ever: `minDelayMs` 250, `maxDelayMs` 10,000. */
  reconnect?: Partial<Backoff> | undefined;
  /** Sends requests instead of the global fetch. */
  fetch?: typeof globalThis.fetch | undefined;
  /**
   * How subscriptions connect: by a streamed answer (`stream`), by a WebSocket (`socket`), or by whichever works here
   * (`auto`, the default): a stream first; where it cannot be read, or says nothing for 5 s, a WebSocket.
   */
  live?: "auto" | "stream" | "socket" | undefined;
  /** The class of WebSockets when there is no global one, as on Node 20: that of the package `ws`. */
  webSocket?: WebSocketConstructor | undefined;
  /** Where the server takes WebSockets, when it is configured otherwise: `/ws`. */
  socketPath?: string | undefined;
}

/** A client of one Backstay server. */
export interface BackstayClient {
  /** People and programs that can sign in. */
  readonly accounts: AccountsClient;
  /** Signing in and out. */
  readonly auth: AuthClient;
  /** Typed links from one account to another, and who is blocked. */
  readonly connections: ServiceClient<typeof ConnectionService>;
  /** Numbers of accounts, as bigints. */
  readonly counters: ServiceClient<typeof CounterService>;
  /** What is remembered of the own account. */
  readonly history: ServiceClient<typeof HistoryService>;
  /** Messages from one account to another. */
  readonly messages: ServiceClient<typeof MessageService>;
  /** The installation itself. */
  readonly system: ServiceClient<typeof SystemService>;
  /** Live events. */
  readonly events: EventsClient;
  /** Background work and what is done by the clock; for administrators. */
  readonly jobs: JobsClient;
  /** The caches of the node that answers; for administrators. */
  readonly cache: ServiceClient<typeof CacheService>;
  /**
   * Opens a WebSocket at a path of the server, or of the app that runs on it; absent is `/ws`. It reconnects by itself and
   * stays signed in as the client is. Throws `NO_WEB_SOCKET` where there is none.
   *
   * ```ts
   * const socket = client.socket("/project/ws", { query: { id: "1" }, onMessage: show });
   * socket.send("/v1/messages?pageSize=3");
   * socket.send({ op: "/project/update", project: { id: 1, name: "Test2" } });
   * ```
   */
  socket(path?: string, options?: SocketOptions): AppSocket;
}

/**
 * Makes a client for the server at `url`; a path, or an empty text, is on the page's own server. Nothing is sent yet.
 *
 * ```ts
 * const client = createClient("http://127.0.0.1:8000");
 * await client.auth.signIn({ login: "ada", secret });
 * await client.messages.sendMessage({ recipientId, text: "Hello" });
 * ```
 */
export function createClient(url: string, options: ClientOptions = {}): BackstayClient {
  const { token, signWith } = proofOf(options);
  // Looked up with every call, so that a fetch that is replaced later is used.
  const fetch = cancellableFetch(options.fetch ?? ((input, init) => globalThis.fetch(input, init)));
  const transport: Transport = createConnectTransport({
    baseUrl: url,
    useBinaryFormat: options.format !== "json",
    useHttpGet: false,
    fetch: signWith ? signingFetch(fetch, signWith) : fetch,
  });
  const retry = { ...RETRY, ...options.retry };
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;

  const openCall = createCall({ transport, session: fixedSession(""), retry, timeoutMs: REFRESH_TIMEOUT_MS });
  const session =
    token === undefined
      ? storedSession(options.store ?? defaultStore(url), async (held) => {
          const request = { refreshToken: held.refreshToken };
          const { tokens } = await openCall(AuthService.method.refresh, request, { repeatable: true });
          return storedTokens(tokens, held);
        })
      : fixedSession(token);
  const call = createCall({ transport, session, retry, timeoutMs });

  const reconnect = { ...RECONNECT, ...options.reconnect };
  const socketPath = options.socketPath ?? SOCKET_PATH;
  const sockets = {
    webSocket: () => (signWith ? undefined : findWebSocket(options.webSocket)),
    session,
    checkToken: (token: string) => {
      const parts = { transport, session: fixedSession(token), retry: { ...retry, attempts: 1 } };
      return createCall({ ...parts, timeoutMs: CHECK_TIMEOUT_MS })(AuthService.method.getCurrent, {});
    },
  };

  const byStream: OpenSubscribeStream = (init) => openSubscribeStream(transport, init);
  const bySocket: OpenSubscribeStream = (init) => openSubscribeSocket(sockets, socketUrl(url, socketPath), init);
  const byEither = createSubscribeLine(byStream, bySocket);
  const open: Record<NonNullable<ClientOptions["live"]>, OpenSubscribeStream> = {
    auto: (init) => (sockets.webSocket() ? byEither(init) : byStream(init)),
    stream: byStream,
    socket: bySocket,
  };

  return {
    accounts: createAccountsClient({ transport, session, call }),
    auth: createAuthClient({ transport, session, call }),
    connections: createServiceClient(ConnectionService, call),
    counters: createServiceClient(CounterService, call),
    history: createServiceClient(HistoryService, call),
    messages: createServiceClient(MessageService, call),
    system: createServiceClient(SystemService, call),
    jobs: createJobsClient({ transport, session, reconnect, call }),
    cache: createServiceClient(CacheService, call),
    events: createEventsClient({ open: open[options.live ?? "auto"], session, reconnect, call, timeoutMs }),
    socket: (path = socketPath, how = {}) =>
      openAppSocket({ ...sockets, server: url, reconnect, timeoutMs }, path, how),
  };
}

/** What a client proves itself with that does not change: the token to send, empty where its calls are signed instead. */
function proofOf({ token, apiKey }: ClientOptions): { token?: string | undefined; signWith?: ApiKey } {
  if (apiKey === undefined) return { token };
  return typeof apiKey === "string" ? { token: apiKey } : { token: "", signWith: apiKey };
}
