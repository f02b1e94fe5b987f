import { parseId } from "./ids.js";

/** A WebSocket as an app sees it. */
export interface AppSocket {
  /** Names it on all nodes. 32 lower-case hex digits. */
  readonly id: string;
  /** Whose it is; undefined for nobody in particular. */
  readonly accountId: string | undefined;
  /** Its account's; none for an API key whose scopes do not say `*`, since no scope is for what an app answers. */
  readonly roles: readonly string[];
  /** What the API key that opened it may be used for; undefined when none did. */
  readonly scopes: readonly string[] | undefined;
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

/** Which sockets are meant: those that all of these fit, on every node. At least one is given. */
export interface NotifyTarget {
  readonly accountId?: string;
  /** Parameters that the socket's query has, with these values. */
  readonly query?: Readonly<Record<string, string>>;
  readonly path?: string;
  /** Every socket there is; given alone. */
  readonly everyone?: true;
}

/** What the bus carries to the sockets of every node. */
export interface SocketNotice {
  readonly target: NotifyTarget;
  readonly message: object;
}

/** Where it carries that. */
export const SOCKET_NOTICES = "sockets.notify";

/**
 * A target as an app gave it, with the account's id in our spelling. Throws TypeError for anything that would reach others than
 * it says, such as an account that is undefined: everybody has to be asked for.
 */
export function notifyTarget(given: NotifyTarget): NotifyTarget {
  const parts: unknown = given;
  if (!isRecord(parts)) throw new TypeError("a notify target is an object");
  const names = Object.keys(parts);
  for (const name of names) {
    const isRight = Object.hasOwn(PARTS, name) && PARTS[name as keyof NotifyTarget](parts[name]);
    if (!isRight) throw new TypeError(`a notify target has ${EXPECTED}: ${name} is not so`);
  }
  if (names.length === 0) throw new TypeError(`a notify target has ${EXPECTED}; everybody is { everyone: true }`);
  if (given.everyone && names.length > 1) throw new TypeError("a notify target has nothing beside everyone");
  return given.accountId === undefined ? given : { ...given, accountId: parseId(given.accountId)! };
}

const EXPECTED = "an accountId (an id), a path (text), a query (names with texts), or everyone (true)";

/** Whether a value is what each part of a target takes. */
const PARTS: Readonly<Record<keyof NotifyTarget, (value: unknown) => boolean>> = {
  accountId: (value) => typeof value === "string" && parseId(value) !== undefined,
  path: (value) => typeof value === "string",
  query: (value) => isRecord(value) && isTexts(Object.values(value)),
  everyone: (value) => value === true,
};

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** At least one text and nothing else. */
function isTexts(values: unknown[]): boolean {
  return values.length > 0 && values.every((value) => typeof value === "string");
}

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
