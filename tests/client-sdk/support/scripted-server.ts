import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { DescMessage, DescMethodUnary, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { type ConnectError, type ConnectRouter, createContextKey, createContextValues } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { onTestFinished } from "vitest";
import { AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import {
  EventService,
  type SubscribeRequest,
  type SubscribeResponseSchema,
} from "#gen/backstay/events/v1/events_pb.js";
import { MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { SystemService } from "#gen/backstay/system/v1/system_pb.js";
import { createQueue, deferred } from "./queue.js";

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

const socketKey = createContextKey<Socket | undefined>(undefined);

/** Starts a server on a free port that answers as it is told, for a test; it is stopped when the test has finished. */
export async function startScriptedServer() {
  const calls: ServedCall[] = [];
  const streams = createQueue<ServedStream>();
  const handlers = new Map<string, (request: never, call: ServedCall) => unknown>();

  function routes(router: ConnectRouter) {
    for (const service of [AccountService, AuthService, MessageService, SystemService] as DescService[]) {
      for (const method of service.methods) {
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
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = async () => {
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
    stop,
  };
}

function serve(method: string, headers: Headers, socket: Socket | undefined, signal: AbortSignal): ServedCall {
  return { method, headers, signal, drop: () => void socket?.destroy() };
}
