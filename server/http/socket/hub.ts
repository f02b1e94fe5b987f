import { type Caller, isOver, type Loss } from "../../kernel/caller.js";
import { type NotifyTarget, SOCKET_NOTICES, type SocketNotice } from "../../kernel/sockets.js";
import { DRAIN_CLOSE_MS, GOING_AWAY, SIGN_IN_OVER } from "./limits.js";
import type { Line } from "./line.js";
import type { SocketOptions } from "./options.js";

const PING_MS = 30_000;
/** How often sign-ins whose time is up are looked for, in milliseconds. */
const LOOK_MS = 1_000;

/** The sockets of this node. */
export interface Hub {
  /** Keeps a socket, as its caller's, until it is closed: at once when the server is about to stop. */
  add(line: Line, caller: Caller): Promise<void>;
  /** Makes a socket a caller's: found as his, present, and closed when his sign-in is over. */
  own(line: Line, caller: Caller): Promise<void>;
}

/** Listens to the bus and looks at its sockets until the server begins to stop. */
export function createHub(options: SocketOptions): Hub {
  const { ports, onLoss, lossesOf, enterPresence, heartbeat, pingMs = PING_MS } = options;
  const lines = new Set<Line>();
  const byAccount = new Map<string, Set<Line>>();
  /** What ends the ownership of each socket. */
  const owned = new Map<Line, () => void>();

  const own = async (line: Line, caller: Caller) => {
    // It may have gone while its caller was found out.
    if (!lines.has(line)) return;
    const { accountId } = caller as { accountId?: string };
    // He who prolongs his sign-in is present all the time.
    const leave = accountId === undefined ? () => {} : enterPresence(accountId);
    owned.get(line)?.();
    line.caller = caller;
    const unlist = accountId === undefined ? () => {} : list(line, accountId);
    const forget = onLoss(caller, (loss) => endFor(line, loss));
    owned.set(line, () => {
      leave();
      unlist();
      forget();
    });
    // Whoever was let in just before he was revoked did not hear of it. When that cannot be known now, the next check tells.
    const losses = await lossesOf([caller]).catch(() => undefined);
    endFor(line, losses?.get(caller));
  };

  const list = (line: Line, accountId: string) => {
    const set = byAccount.get(accountId) ?? new Set();
    byAccount.set(accountId, set.add(line));
    return () => {
      set.delete(line);
      if (set.size === 0 && byAccount.get(accountId) === set) byAccount.delete(accountId);
    };
  };

  const notify = ({ target, message }: SocketNotice) => {
    const candidates = target.accountId === undefined ? lines : (byAccount.get(target.accountId) ?? []);
    let text: string | undefined;
    for (const line of candidates) {
      if (!isMeant(line, target)) continue;
      text ??= JSON.stringify(message);
      line.write(text);
    }
  };

  const look = (pings: boolean) => {
    const now = ports.clock.now();
    for (const line of lines) {
      if (isOver(line.caller, now)) line.close(SIGN_IN_OVER, expiryOf(line.caller));
      else if (pings) ping(line);
    }
  };

  let untilPing = pingMs;
  const every = Math.min(LOOK_MS, pingMs);
  const looks = setInterval(() => {
    untilPing -= every;
    look(untilPing <= 0);
    if (untilPing <= 0) untilPing = pingMs;
  }, every).unref();

  /** For what no revocation tells of, and for those that were lost on the way here. */
  const checkSignIns = async () => {
    const owners = [...lines].filter(({ caller }) => caller.kind !== "anonymous");
    const losses = await lossesOf(owners.map(({ caller }) => caller));
    // Who came with another token meanwhile is another caller.
    for (const line of owners) endFor(line, losses.get(line.caller));
  };
  let isChecking = false;
  const checks = setInterval(async () => {
    if (isChecking) return;
    isChecking = true;
    // What cannot be known now is asked again.
    await checkSignIns().catch(() => {});
    isChecking = false;
  }, heartbeat).unref();
  const unsubscribe = ports.bus.subscribe(SOCKET_NOTICES, (notice) => notify(notice as SocketNotice));

  const goAway = (line: Line) => {
    line.close(GOING_AWAY);
    // The server does not wait for the dead.
    setTimeout(() => line.ws.terminate(), DRAIN_CLOSE_MS).unref();
  };
  const drain = () => {
    clearInterval(looks);
    clearInterval(checks);
    unsubscribe();
    for (const line of [...lines]) goAway(line);
  };
  ports.draining.addEventListener("abort", drain, { once: true });

  return {
    async add(line, caller) {
      lines.add(line);
      line.onEnd(() => {
        lines.delete(line);
        owned.get(line)?.();
        owned.delete(line);
      });
      if (ports.draining.aborted) goAway(line);
      else await own(line, caller);
    },
    own,
  };
}

/** Who has lost a role may open another at once, with what he may do then. */
function endFor(line: Line, loss: Loss | undefined): void {
  if (loss === "sign-in") line.close(SIGN_IN_OVER, "TOKEN_REVOKED");
  else if (loss === "role") line.close(GOING_AWAY, "ROLES_CHANGED");
}

function isMeant(line: Line, { query, path }: NotifyTarget): boolean {
  if (path !== undefined && line.path !== path) return false;
  return query === undefined || Object.entries(query).every(([name, value]) => line.query[name] === value);
}

function expiryOf(caller: Caller): string {
  return caller.kind === "account" && caller.via === "signature" ? "SIGNATURE_EXPIRED" : "TOKEN_EXPIRED";
}

/** Asks a peer whether it is there; one that did not answer the last time is not. */
function ping(line: Line): void {
  // What it answers cannot be heard while frames of its wait.
  if (line.ws.isPaused) line.isAlive = true;
  else if (line.isAlive) {
    line.isAlive = false;
    line.ws.ping();
  } else line.ws.terminate();
}
