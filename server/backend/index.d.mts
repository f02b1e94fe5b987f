/**
 * The app of this process: what your code declares, and what it may ask of the running server. Called again, also from another
 * file, it answers the same one.
 */
export function backend(): Backend;

export interface Backend {
  /**
   * Declares the topics of a pattern such as `room/{id}`, of 2 to 5 parts; of two patterns that fit a name the one declared
   * first counts. Throws when it is malformed, reserved (`account/`, `system/`) or declared already.
   */
  topic(pattern: string, rules: TopicRules): void;
  /**
   * Opens a path, such as `/project/ws`, for WebSockets: the handler gets each frame of JSON, and what it returns is the reply,
   * `undefined` is none. Throws when the path is malformed or taken.
   */
  ws(path: string, handler: SocketHandler): void;
  /**
   * Starts the server when this file is run by itself (`node app.js`, `npx tsx app.ts`): for development, or as `backstay serve`
   * does when NODE_ENV is `production`, configured by the environment and files. Under `backstay dev` and `backstay serve` it
   * tells them that everything is declared. Either way it resolves when the server is ready. What keeps the server from starting
   * ends the process, with one line that says why. Called again it answers the same promise.
   */
  start(): Promise<void>;
  /** Ends the server in order; resolves when it has ended. With `--workers` it ends all of them. */
  stop(): Promise<void>;
  /**
   * Sends an object to the sockets that all parts of the target fit, on every node. It is of the moment: who is not connected
   * does not get it. Throws before the server runs, and a TypeError for a target that has nothing, something unknown, or
   * something of another type, such as an account that is undefined: everybody is `{ everyone: true }`.
   */
  notify(target: NotifyTarget, message: object): void;
  /**
   * Publishes to any topic, by any type but the server's own; resolves with the event's id. A durable event is in the database
   * then; an ephemeral one reaches the streams and sockets that are open now. Rejects as `EventService/Publish` does, and before
   * the server runs.
   */
  publish(event: PublishedEvent): Promise<{ id: string }>;
  /**
   * Asks the rules of a topic (of every one when none is named) again for everybody who follows it, on every node, and ends the
   * streams of those whom they refuse now. Call it after what your rules depend on has changed. Throws before the server runs.
   */
  recheck(topic?: string): void;
}

/** Whoever asks something of a topic. */
export interface TopicCaller {
  readonly accountId: string;
  readonly roles: readonly string[];
}

/** Decides about a caller and the parameters of a topic's name: `room/{id}` of `room/7` has the `id` `7`. */
export type TopicRule = (caller: TopicCaller, params: Readonly<Record<string, string>>) => boolean | Promise<boolean>;

/** What is left out is allowed to nobody but administrators and the app itself; `true` is every account. */
export interface TopicRules {
  /** Who may follow it. */
  readonly subscribe?: boolean | TopicRule;
  /** Who may publish to it by the API. */
  readonly publish?: boolean | TopicRule;
  /** Who of its followers may read what happened before he came, and resume; when left out, all of them. */
  readonly history?: boolean | TopicRule;
  /** Whether its followers are listed, and told when one comes or goes. */
  readonly presence?: boolean;
}

/** A frame of JSON. */
export type SocketFrame = Readonly<Record<string, unknown>>;

/** Answers the frames of one path; what it returns is the reply, and undefined is none. */
export type SocketHandler = (frame: SocketFrame, socket: AppSocket) => unknown;

/** An open WebSocket. */
export interface AppSocket {
  /** Names it on all nodes. 32 lower-case hex digits. */
  readonly id: string;
  /** Whose it is; undefined for nobody in particular. */
  readonly accountId: string | undefined;
  readonly roles: readonly string[];
  /** The path it was opened at, and the query, without what signs it. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Sends an object as a frame of JSON; does nothing when it is closed. */
  send(message: object): void;
  /** Closes it; 1000 when no code is given. */
  close(code?: number, reason?: string): void;
}

/** Which sockets are meant: those that all of these fit. At least one is given. */
export interface NotifyTarget {
  /** With or without dashes. */
  readonly accountId?: string;
  /** Parameters that the socket's query has, with these values. */
  readonly query?: Readonly<Record<string, string>>;
  readonly path?: string;
  /** Every socket there is; given alone. */
  readonly everyone?: true;
}

export interface PublishedEvent {
  /** Such as `room/7`, or `account/<id>`. */
  readonly topic: string;
  /** What happened, such as `chat.line`. */
  readonly type: string;
  /** What there is to know of it, at most 64 KiB as JSON. */
  readonly data?: object;
  /** Whether it is of the moment only. */
  readonly ephemeral?: boolean;
  /** The account that did it; absent when none did. */
  readonly actorId?: string;
}
