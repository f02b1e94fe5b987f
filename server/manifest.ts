import type {
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Access, RateClass } from "#gen/backstay/options/v1/options_pb.js";
import type { Ctx, EraseCtx, ExportCtx, ExportedRecord, JobCtx, Ports } from "./context.js";
import type { Caller, ShownProof } from "./kernel/caller.js";
import type { JobDeclaration } from "./kernel/jobs.js";
import type { SignedCall } from "./kernel/signature.js";

/** What a domain is to the rest of the house; app.ts lists them, and nothing else knows them all. */
export interface Manifest {
  readonly name: string;
  readonly services: readonly Served[];
  /**
   * Erases what the domain holds of an account, inside the transaction that deletes it, and again later: for what was being
   * written meanwhile. `holdsNothing`, or `goesWithAccount` where rows that reference the account go with it.
   */
  readonly erase: ((ctx: EraseCtx, accountId: string) => Promise<void>) | typeof holdsNothing | typeof goesWithAccount;
  /** What the domain holds of an account, page by page and without a transaction; `holdsNothing` when that is nothing. */
  readonly export: ((ctx: ExportCtx, accountId: string) => AsyncIterable<ExportedRecord>) | typeof holdsNothing;
  /** Jobs of the domain, by names that begin with `backstay.`. */
  readonly jobs?: readonly DomainJob[];
  /** Tells who calls; one domain does. */
  readonly authenticator?: Authenticator;
}

/** Said by a domain that keeps nothing of accounts. */
export const holdsNothing = "holds nothing of accounts";

/** Said by a domain all of whose rows that belong to an account are deleted with it by the database. */
export const goesWithAccount = "goes with the account's row";

/** A job of a domain. */
export interface DomainJob extends Omit<JobDeclaration<JobCtx>, "inside"> {
  /** When it is done by the clock: five or six fields, in UTC. */
  readonly cron?: string;
}

/** Who calls, by what came with the call. Each throws when it stands for nobody. */
export interface Authenticator {
  /** Who a bearer token stands for. Throws INVALID_TOKEN, TOKEN_EXPIRED. */
  readonly token: Authenticate;
  /** Who a session cookie stands for. Throws the same. */
  readonly cookie: Authenticate;
  /** Who signed a request. Throws INVALID_SIGNATURE and the other reasons of signatures. */
  readonly signature: (ports: Ports, signed: SignedCall) => Promise<Caller>;
  /**
   * Whether something was right a short while ago, so that it may be looked up although too much else of its address was refused.
   * Looks nothing up itself.
   */
  readonly isKnown: (ports: Ports, shown: ShownProof) => boolean;
}

export type Authenticate = (ports: Ports, token: string) => Caller | Promise<Caller>;

/** A service with its handlers. */
export interface Served {
  readonly descriptor: DescService;
  readonly handlers: Readonly<Record<string, Handler>>;
  /** Who may call and what it costs, for services whose protos are not ours and do not say. */
  readonly terms?: Terms;
}

export interface Terms {
  readonly access: Access;
  readonly rateClass: RateClass;
}

// biome-ignore lint/suspicious/noExplicitAny: `serve` has checked each handler against its method; the table forgets which.
export type Handler = (request: any, ctx: Ctx) => unknown;

/** A handler for each method: request (or the stream of them) and context in, response (or the stream of them) out. */
export type Handlers<Service extends DescService> = {
  readonly [Name in keyof Service["method"]]: Service["method"][Name] extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, ctx: Ctx) => MessageInitShape<O> | Promise<MessageInitShape<O>>
    : Service["method"][Name] extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, ctx: Ctx) => AsyncIterable<MessageInitShape<O>> | Pushed<MessageShape<O>>
      : Service["method"][Name] extends DescMethodClientStreaming<infer I, infer O>
        ? (requests: AsyncIterable<MessageShape<I>>, ctx: Ctx) => Promise<MessageInitShape<O>>
        : Service["method"][Name] extends DescMethodBiDiStreaming<infer I, infer O>
          ? (requests: AsyncIterable<MessageShape<I>>, ctx: Ctx) => AsyncIterable<MessageInitShape<O>>
          : never;
};

/** Where a stream writes what it says as it happens. */
export interface Outlet<T> {
  /** Hands an item over. False when the reader is behind: whatever follows waits, or is dropped, at the writer's choice. */
  write(item: T): boolean;
  /** Calls back once, when the reader has caught up. */
  onDrain(listener: () => void): void;
}

/** A stream that pushes what it says instead of being asked for it; `run` lasts as long as the stream, or until its call ends. */
export class Pushed<T> {
  constructor(readonly run: (outlet: Outlet<T>) => Promise<void>) {}
}

/** Pairs a service with its handlers. */
export function serve<Service extends DescService>(
  descriptor: Service,
  handlers: Handlers<Service>,
  terms?: Terms,
): Served {
  return { descriptor, handlers: handlers as Readonly<Record<string, Handler>>, ...(terms && { terms }) };
}
