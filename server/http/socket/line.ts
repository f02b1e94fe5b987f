import { WebSocket } from "ws";
import { ANONYMOUS, type Caller } from "../../kernel/caller.js";
import { coversAll } from "../../kernel/scopes.js";
import type { AppSocket } from "../../kernel/sockets.js";
import type { CallRequest } from "../../rpc/call.js";
import { SLOW_READER, UNSENT_BYTES, UNSENT_ENOUGH } from "./limits.js";
import type { Subscription } from "./subscription.js";

/** What a socket is known by from its opening on. */
export interface Opening {
  /** 32 lower-case hex digits. */
  readonly id: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** What its calls say of the request that brought them. */
  readonly request: Pick<CallRequest, "headers" | "socket">;
}

/** One open socket. */
export class Line implements AppSocket {
  readonly id: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly request: Pick<CallRequest, "headers" | "socket">;
  /** Whose it is now. */
  caller: Caller = ANONYMOUS;
  /** By the id of the frame that opened each. */
  readonly subscriptions = new Map<string | undefined, Subscription>();
  /** Whether it said anything since it was last asked. */
  isAlive = true;
  #waiting: (() => void)[] = [];
  #isOver = false;
  readonly #ends = new Set<() => void>();

  constructor(
    readonly ws: WebSocket,
    { id, path, query, request }: Opening,
    /** Where its reader should resume; asked when he fell behind. */
    private readonly resumeCursor: (line: Line) => string,
  ) {
    this.id = id;
    this.path = path;
    this.query = query;
    this.request = request;
    ws.once("close", () => this.#end());
  }

  get accountId(): string | undefined {
    return this.caller.kind === "account" ? this.caller.accountId : undefined;
  }

  get scopes(): readonly string[] | undefined {
    return this.caller.kind === "anonymous" ? undefined : this.caller.scopes;
  }

  get roles(): readonly string[] {
    return this.caller.kind === "anonymous" || !coversAll(this.scopes) ? [] : this.caller.roles;
  }

  get isOpen(): boolean {
    return this.ws.readyState === WebSocket.OPEN;
  }

  /** Whether so little waits to be sent that more may. */
  get hasRoom(): boolean {
    return this.ws.bufferedAmount <= UNSENT_ENOUGH;
  }

  /** What one of its calls says of itself. */
  callRequest(url = this.path): CallRequest {
    return { ...this.request, method: "GET", url, caller: this.caller };
  }

  send(message: object): void {
    this.write(JSON.stringify(message));
  }

  /** Sends a frame. False when its reader is behind; then it may be that nothing was sent, since he fell behind too far. */
  write(text: string): boolean {
    if (!this.isOpen) {
      // The peer may have said goodbye, and take a while to go.
      this.#end();
      return false;
    }
    if (this.ws.bufferedAmount > UNSENT_BYTES) {
      this.fellBehind();
      return false;
    }
    this.ws.send(text, this.#sent);
    return this.hasRoom;
  }

  /** Ends it for a reader who fell too far behind. What waits to be sent goes first, so he has seen what the cursor says. */
  fellBehind(): void {
    this.close(SLOW_READER, this.resumeCursor(this));
  }

  /** Calls back once, when its reader has caught up, or is gone. */
  onDrain(listener: () => void): void {
    if (this.isOpen && !this.hasRoom) this.#waiting.push(listener);
    else setImmediate(listener);
  }

  close(code = 1000, reason = ""): void {
    if (!this.isOpen) return;
    this.ws.close(code, reason);
    this.#end();
  }

  /**
   * Calls back once, when it is over, or at once if it is: closed from this side, though the peer may take a while, or gone.
   * Returns what forgets the listener.
   */
  onEnd(listener: () => void): () => void {
    if (this.#isOver) listener();
    else this.#ends.add(listener);
    return () => this.#ends.delete(listener);
  }

  readonly #sent = () => {
    if (this.#waiting.length > 0 && this.hasRoom) this.#wake();
  };

  #end(): void {
    this.#isOver = true;
    const listeners = [...this.#ends];
    this.#ends.clear();
    for (const listener of listeners) listener();
    this.#wake();
  }

  #wake(): void {
    for (const listener of this.#waiting.splice(0)) listener();
  }
}
