import type { Seen } from "../domains/connections/model.js";
import type { Command } from "../domains/connections/model-commands.js";

/** What may be: a connection's properties as text, or that there is none. */
type Link = string | undefined;

const NONE: readonly Link[] = [undefined];

/**
 * What one account has done, as it was told. Of what was acknowledged there is one outcome; of a call that nobody answered there are
 * two, and each later one narrows them.
 */
export interface Deeds {
  /** Before the call: from now on it may have happened. */
  begin(command: Command): void;
  /** It was acknowledged: it has happened. */
  acknowledge(command: Command): void;
  /** It was refused: it has not. */
  refuse(command: Command): void;
  /** Numbers of pings and messages by whom they are for: those that were acknowledged, and all that were begun. */
  readonly pings: ReadonlyMap<string, Sent>;
  readonly messages: ReadonlyMap<string, { to: string; isAcknowledged: boolean }>;
  /**
   * What is not as it must be in the list of connections, and of blocks; what could be one or the other has to stay as it is seen now.
   * `isGone` says whose account has gone, or may have.
   */
  complain(seen: readonly Seen[], blocked: readonly string[], isGone: (id: string) => boolean): string[];
}

interface Sent {
  readonly acknowledged: number;
  readonly begun: number;
}

export function deeds(): Deeds {
  const links = new Map<string, readonly Link[]>();
  const blocks = new Map<string, readonly boolean[]>();
  const pings = new Map<string, Sent>();
  const messages = new Map<string, { to: string; isAcknowledged: boolean }>();

  /** The connections that a command names, with what each may be after it. */
  const after = (command: Command): [key: string, outcome: (before: Link) => Link][] => {
    if (command.verb === "put") {
      return [[keyOf(command.type, command.to), () => textOf(command.properties)]];
    }
    if (command.verb === "update" && !("state" in command.properties)) {
      return [[keyOf(command.type, command.to), (before) => merged(before, command.properties)]];
    }
    if (command.verb !== "delete") return [];
    return [...links.keys()].filter((key) => isOf(key, command)).map((key) => [key, () => undefined]);
  };
  const possible = (key: string) => links.get(key) ?? NONE;
  const blocking = ({ verb, to }: Command & { verb: "block" | "unblock" }, befores: readonly boolean[]) => {
    blocks.set(to, [...new Set([...befores, verb === "block"])]);
  };
  const sent = (to: string, add: Partial<Sent>) => {
    const { acknowledged, begun } = pings.get(to) ?? { acknowledged: 0, begun: 0 };
    pings.set(to, { acknowledged: acknowledged + (add.acknowledged ?? 0), begun: begun + (add.begun ?? 0) });
  };
  return {
    pings,
    messages,
    begin(command) {
      for (const [key, outcome] of after(command)) {
        links.set(key, distinct([...possible(key), ...possible(key).map(outcome)]));
      }
      if (command.verb === "block" || command.verb === "unblock") blocking(command, blocks.get(command.to) ?? [false]);
      if (command.verb === "increment") sent(command.to, { begun: 1 });
      if (command.verb === "send") messages.set(command.text, { to: command.to, isAcknowledged: false });
    },
    acknowledge(command) {
      for (const [key, outcome] of after(command)) {
        // An update that was done has found one.
        const found = command.verb === "update" ? possible(key).filter((link) => link !== undefined) : possible(key);
        links.set(key, distinct(found.map(outcome)));
      }
      if (command.verb === "block" || command.verb === "unblock") blocking(command, []);
      if (command.verb === "increment") sent(command.to, { acknowledged: 1 });
      if (command.verb === "send") messages.set(command.text, { to: command.to, isAcknowledged: true });
    },
    refuse(command) {
      if (command.verb === "update") {
        // There was none to change. Where there must have been one, the list will show that it is not there.
        for (const [key] of after(command)) if (possible(key).includes(undefined)) links.set(key, NONE);
      }
      if (command.verb === "increment") sent(command.to, { begun: -1 });
      if (command.verb === "send") messages.delete(command.text);
    },
    complain(seen, blocked, isGone) {
      const complaints: string[] = [];
      for (const [peer, may] of blocks) {
        if (isGone(peer)) continue;
        const isBlocked = blocked.includes(peer);
        if (!may.includes(isBlocked)) complaints.push(`${peer} is ${isBlocked ? "" : "not "}blocked`);
        blocks.set(peer, [isBlocked]);
      }
      const listed = new Map(seen.map(({ peerId, type, properties }) => [keyOf(type, peerId), textOf(properties)]));
      for (const key of listed.keys()) if (!links.has(key)) complaints.push(`nobody made ${key}`);
      for (const [key, may] of links) {
        const [, peer] = key.split(" ") as [string, string];
        const found = listed.get(key);
        // His list leaves out whom he has blocked.
        if (found === undefined && (isGone(peer) || blocked.includes(peer))) continue;
        if (!may.includes(found)) complaints.push(`${key} is ${found}, and could be ${may.join(" or ")}`);
        links.set(key, [found]);
      }
      return complaints;
    },
  };
}

function keyOf(type: string, peer: string): string {
  return `${type} ${peer}`;
}

function isOf(key: string, { type, to }: Command & { verb: "delete" }): boolean {
  const [ofType, ofPeer] = key.split(" ");
  return (type === undefined || type === ofType) && (to === undefined || to === ofPeer);
}

function distinct(links: readonly Link[]): readonly Link[] {
  return [...new Set(links)];
}

/** An update of none makes none. */
function merged(before: Link, properties: object): Link {
  return before === undefined ? undefined : textOf({ ...(JSON.parse(before) as object), ...properties });
}

/** Without the state of an invite, which another changes. */
function textOf(properties: object): string {
  const own = Object.entries(properties).filter(([key]) => key !== "state");
  return JSON.stringify(Object.fromEntries(own.sort(([a], [b]) => (a < b ? -1 : 1))));
}
