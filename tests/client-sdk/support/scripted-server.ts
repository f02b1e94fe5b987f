import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { DescMessage, DescMethodUnary, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { type ConnectError, type ConnectRouter, createContextKey, createContextValues } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { onTestFinished } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { CacheService } from "#gen/backstay/cache/v1/cache_pb.js";
import { ConnectionService } from "#gen/backstay/connections/v1/connections_pb.js";
import { CounterService } from "#gen/backstay/counters/v1/counters_pb.js";
import {
  EventService,
  type SubscribeRequest,
  type SubscribeResponseSchema,
} from "#gen/backstay/events/v1/events_pb.js";
import { HistoryService } from "#gen/backstay/history/v1/history_pb.js";
import { JobService } from "#gen/backstay/jobs/v1/jobs_pb.js";
import { MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { SystemService } from "#gen/backstay/system/v1/system_pb.js";
import { createQueue, deferred } from "./queue.js";

const SERVICES: readonly DescService[] = [
  AccountService,
  AuthService,
  CacheService,
  ConnectionService,
  CounterService,
  EventService,
  HistoryService,
  JobService,
  MessageService,
  SystemService,
];

/** A call as it reached the server. */
export interface ServedCall {
  method: string;
  headers: Headers;
  /** Breaks the connection it came by, without an answer. */
  drop(): void;
  /** Aborted when the client gives up. */
  signal: AbortSignal;
}

type Item = NonNullable<MessageInitShape<typeof SubscribeResponseSchema>["item"]>;

/** One Subscribe as it reached the server, which says what the test wants. */
export interface ServedStream extends ServedCall {
  request: SubscribeRequest;
  say(item: Item): void;
  /** Ends the stream: with an error, or as if nothing more were to come. */
  end(error?: ConnectError): void;
  /** The client is gone. */
  closed: Promise<void>;
}

/** One WebSocket as it reached the server, which says what the test wants. */
export interface ServedSocket {
  /** Path and query. */
  url: string;
  /** The token among the sub-protocols. */
  bearer: string | undefined;
  /** The next frame that nobody took yet: an object, or the text of a URL. */
  nextFrame(): Promise<Record<string, unknown> | string>;
  say(frame: object): void;
  close(code?: number, reason?: string): void;
  /** Breaks the connection. */
  drop(): void;
  /** The client is gone, with this code. */
  closed: Promise<number>;
}

const socketKey = createContextKey<Socket | undefined>(undefined);

/** Starts a server on a free port that answers as it is told, for a test; it is stopped when the test has finished. */
export async function startScriptedServer() {
  const calls: ServedCall[] = [];
  const streams = createQueue<ServedStream>();
  const sockets = createQueue<ServedSocket>();
  const upgrades: string[] = [];
  const held: Socket[] = [];
  let refusal: number | "hold" | undefined;
  const handlers = new Map<string, (request: never, call: ServedCall) => unknown>();

  function routes(router: ConnectRouter) {
    for (const service of SERVICES) {
      for (const method of service.methods) {
        if (method.methodKind !== "unary") continue;
        router.rpc(method as DescMethodUnary, async (request, context) => {
          const call = serve(method.name, context.requestHeader, context.values.get(socketKey), context.signal);
          calls.push(call);
          return ((await handlers.get(method.name)?.(request as never, call)) ?? {}) as Record<never, never>;
        });
      }
    }
    router.rpc(EventService.method.subscribe, async function* (request, context) {
      const items = createQueue<Item | ConnectError | "end">();
      const closed = deferred<void>();
      context.signal.addEventListener("abort", () => {
        closed.resolve();
        items.push("end");
      });
      const call = serve("Subscribe", context.requestHeader, context.values.get(socketKey), context.signal);
      calls.push(call);
      streams.push({
        ...call,
        request,
        say: items.push,
        end: (error) => items.push(error ?? "end"),
        closed: closed.promise,
      });
      for (;;) {
        const item = await items.take();
        if (item === "end") return;
        if (item instanceof Error) throw item;
        yield { item };
      }
    });
  }

  const server = createServer(
    connectNodeAdapter({
      routes,
      contextValues: (request) => createContextValues().set(socketKey, request.socket as Socket),
    }),
  );
  const webSockets = new WebSocketServer({ noServer: true, handleProtocols: () => "backstay.v1" });
  server.on("upgrade", (request, socket: Socket, head) => {
    upgrades.push(request.url ?? "");
    if (refusal === "hold") return void held.push(socket);
    if (refusal !== undefined) return socket.end(`HTTP/1.1 ${refusal} Refused\r\nconnection: close\r\n\r\n`);
    webSockets.handleUpgrade(request, socket, head, (webSocket) => sockets.push(serveSocket(webSocket, request)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = async () => {
    for (const webSocket of webSockets.clients) webSocket.terminate();
    for (const socket of held) socket.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(stop);

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Every call so far, streams included. */
    calls,
    /** Says how a method answers; it answers with an empty message until then. */
    on<I extends DescMessage, O extends DescMessage>(
      method: DescMethodUnary<I, O>,
      handler: (request: MessageShape<I>, call: ServedCall) => MessageInitShape<O> | Promise<MessageInitShape<O>>,
    ) {
      handlers.set(method.name, handler as (request: never, call: ServedCall) => unknown);
    },
    /** The calls of one method. */
    callsOf: (method: { name: string }) => calls.filter((call) => call.method === method.name),
    /** The next Subscribe that nobody took yet. */
    nextStream: () => streams.take(),
    /** The next WebSocket that nobody took yet. */
    nextSocket: () => sockets.take(),
    /** Where WebSockets were asked for so far, also those that were refused. */
    upgrades,
    /** Leaves WebSockets without an answer. */
    holdSockets() {
      refusal = "hold";
    },
    /** Refuses WebSockets with an HTTP status; undefined takes them again. */
    refuseSockets(status: number | undefined) {
      refusal = status;
    },
    stop,
  };
}

function serve(method: string, headers: Headers, socket: Socket | undefined, signal: AbortSignal): ServedCall {
  return { method, headers, signal, drop: () => void socket?.destroy() };
}

function serveSocket(socket: WebSocket, { url = "", headers }: IncomingMessage): ServedSocket {
  const frames = createQueue<Record<string, unknown> | string>();
  const closed = deferred<number>();
  const protocols = (headers["sec-websocket-protocol"] ?? "").split(",").map((each) => each.trim());
  socket.on("message", (data) => {
    const text = String(data);
    frames.push(text.startsWith("/") ? text : (JSON.parse(text) as Record<string, unknown>));
  });
  socket.on("close", closed.resolve);
  return {
    url,
    bearer: protocols.find((each) => each.startsWith("bearer."))?.slice("bearer.".length),
    nextFrame: frames.take,
    say: (frame) => socket.send(JSON.stringify(frame)),
    close: (code, reason) => socket.close(code, reason),
    drop: () => socket.terminate(),
    closed: closed.promise,
  };
}
