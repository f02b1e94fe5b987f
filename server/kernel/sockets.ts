/** A WebSocket as an app sees it. */
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

/** A frame of JSON. */
export type SocketFrame = Readonly<Record<string, unknown>>;

/** Answers the frames of one path; what it returns is the reply, and undefined is none. */
export type SocketHandler = (frame: SocketFrame, socket: AppSocket) => unknown;

/** The paths an app answers sockets at. */
export interface SocketPaths {
  /** Throws when the path is malformed or taken. */
  declare(path: string, handler: SocketHandler): void;
  find(path: string): SocketHandler | undefined;
}

/** Which sockets are meant: those that all of these fit, on every node. */
export interface NotifyTarget {
  readonly accountId?: string;
  /** Parameters that the socket's query has, with these values. */
  readonly query?: Readonly<Record<string, string>>;
  readonly path?: string;
}

/** What the bus carries to the sockets of every node. */
export interface SocketNotice {
  readonly target: NotifyTarget;
  readonly message: object;
}

/** Where it carries that. */
export const SOCKET_NOTICES = "sockets.notify";

export function socketPaths(): SocketPaths {
  const handlers = new Map<string, SocketHandler>();
  return {
    declare(path, handler) {
      if (!/^\/[A-Za-z0-9._~/-]{1,100}$/.test(path)) throw new Error(`socket ${path}: write the path as /project/ws`);
      if (handlers.has(path)) throw new Error(`socket ${path}: declared already`);
      handlers.set(path, handler);
    },
    find: (path) => handlers.get(path),
  };
}
