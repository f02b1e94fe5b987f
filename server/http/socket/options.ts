import type { Ports } from "../../context.js";
import type { Caller, Loss } from "../../kernel/caller.js";
import type { SocketPaths } from "../../kernel/sockets.js";
import type { IsAllowedOrigin } from "../../rpc/origins.js";

/** What the sockets of a node need of the house. */
export interface SocketOptions {
  readonly ports: Pick<Ports, "bus" | "clock" | "draining" | "ids" | "key">;
  /** The path that is always there, besides those that an app has declared. */
  readonly path: string;
  readonly paths: SocketPaths;
  /** Most sockets of one IPv4 address or IPv6 /64. */
  readonly perAddress: number;
  /** The header, and query parameter, of a signature. */
  readonly signatureName: string;
  /** Where people reach this server; empty when that is not known. */
  readonly publicUrl: string;
  readonly isAllowedOrigin: IsAllowedOrigin;
  /** Calls back when the caller's sign-in is revoked anywhere, or a role of his; returns what ends that. */
  readonly onLoss: (caller: Caller, listener: (loss: Loss) => void) => () => void;
  /** What some callers have lost since they were admitted, of those who did. */
  readonly lossesOf: (callers: readonly Caller[]) => Promise<ReadonlyMap<Caller, Loss>>;
  /** How often that is asked, in milliseconds. */
  readonly heartbeat: number;
  /** How long a socket lives that a signature opened, in milliseconds. */
  readonly signedLife: number;
  /** Says that one more socket of an account is open; returns what ends that. */
  readonly enterPresence: (accountId: string) => () => void;
  /** How often peers are asked whether they are there, in milliseconds; 30 s when absent. */
  readonly pingMs?: number | undefined;
}
