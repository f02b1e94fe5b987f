import type { Command, Properties } from "./model-commands.js";

/** What a verb answers: what it shows, or the reason of its refusal. */
export type Answer = object | { readonly refused: string };

/** What one of the two sees of a connection. */
interface Side {
  readonly properties: Properties;
  /** Milliseconds since 1970. */
  readonly updatedAt: number;
}

/** A connection and its reference. */
interface Link {
  readonly owner: string;
  readonly type: string;
  readonly peer: string;
  readonly createdAt: number;
  mine: Side;
  /** What the peer sees; undefined where it is withheld from him. */
  theirs: Side | undefined;
}

interface Message {
  readonly from: string;
  readonly to: string;
  readonly text: string;
  /** Whether its recipient has it, and has read it. */
  readonly arrived: boolean;
  isRead: boolean;
}

/** An event that is to be in the log, by whose topic. */
export interface Told {
  readonly to: string;
  readonly type: string;
  readonly at: number;
  readonly data: object;
}

/** A connection as it is answered. */
export interface Seen extends Side {
  readonly peerId: string;
  readonly type: string;
  readonly createdAt: number;
}

export interface Look {
  readonly type?: string | undefined;
  readonly peer?: string | undefined;
  /** Only what was written later, in milliseconds since 1970. */
  readonly since?: number | undefined;
  readonly descending?: boolean | undefined;
}

/** Types whose counters are shown to everybody, beside `ping`: a blocked person would see by them that he does not count. */
export const PUBLIC_TYPES = ["like", "invite"];
const SHOWN_TYPES = ["dislike", "follow", "invite", "like", "view"];

/**
 * The social graph as its contract tells it, for one account after the other. A connection is what its owner sees and what its
 * peer sees; counters are counted when somebody asks.
 */
export class Graph {
  readonly accounts = new Set<string>();
  readonly told: Told[] = [];
  private links: Link[] = [];
  private messages: Message[] = [];
  private readonly blocks: { by: string; whom: string; at: number }[] = [];
  private readonly pings = new Map<string, number>();
  /** What somebody who is blocked has added to the ping of another: by account and viewer. */
  private readonly vainPings: { of: string; viewer: string; amount: number }[] = [];

  constructor(ids: readonly string[]) {
    for (const id of ids) this.accounts.add(id);
  }

  apply(command: Command, at: number): Answer {
    const { by } = command;
    switch (command.verb) {
      case "put":
        return this.put(by, command, at);
      case "update":
        return this.update(by, command, at);
      case "delete":
        return this.delete(by, command, at);
      case "block":
        return this.block(by, command.to, at);
      case "unblock":
        return this.unblock(by, command.to);
      case "increment":
        return this.increment(by, command, at);
      case "putCounters":
        this.pings.set(by, command.ping);
        // What somebody was told of his own increments is replaced like everything else.
        drop(this.vainPings, ({ of }) => of === by);
        return this.counters(by, by);
      case "send":
        return this.send(by, command, at);
      case "read":
        return this.read(by);
      case "deleteMessages":
        return this.deleteMessages(by, command.from);
      case "deleteAccount":
        return this.deleteAccount(by);
    }
  }

  private put(by: string, { to, type, properties, createOnly }: Command & { verb: "put" }, at: number): Answer {
    if (to === by) return { refused: "CONNECTION_TO_SELF" };
    if (type === "invite" && "state" in properties && properties.state !== "sent") return { refused: "INVITE_STATE" };
    if (!this.accounts.has(to)) return { refused: "ACCOUNT_NOT_FOUND" };
    const known = this.find(by, type, to);
    if (known !== undefined && createOnly) return { refused: "CONNECTION_EXISTS" };
    const side = { properties: type === "invite" ? { ...properties, state: "sent" } : properties, updatedAt: at };
    const link: Link = known ?? { owner: by, type, peer: to, createdAt: at, mine: side, theirs: undefined };
    if (known === undefined) this.links.push(link);
    link.mine = side;
    if (!this.isBlocked(to, by)) {
      this.tell(to, link.theirs === undefined ? "connection.add" : "connection.update", at, { peerId: by, type, side });
      link.theirs = side;
    }
    const back = this.find(to, type, by);
    const connected = back?.theirs !== undefined && !this.isBlocked(by, to);
    return { connection: seenByOwner(link), connected };
  }

  private update(by: string, command: Command & { verb: "update" }, at: number): Answer {
    const { to, type, properties, only } = command;
    const patch = only === undefined ? properties : { [only]: properties[only] ?? null };
    const link = this.find(by, type, to);
    if (link === undefined) return this.answerInvite(by, to, type, patch, at);
    const mine = patched(link.mine, patch, at);
    if (type === "invite" && mine.properties.state !== link.mine.properties.state) return { refused: "INVITE_STATE" };
    link.mine = mine;
    if (link.theirs !== undefined && !this.isBlocked(to, by)) {
      // It is changed in what the peer sees, who never sees what was withheld from him; of an invite each keeps his own state.
      const { state = null } = link.theirs.properties;
      link.theirs = patched(link.theirs, type === "invite" ? { ...patch, state } : patch, at);
      this.tell(to, "connection.update", at, { peerId: by, type, side: link.theirs });
    }
    return { connection: seenByOwner(link) };
  }

  private answerInvite(by: string, to: string, type: string, patch: Properties, at: number): Answer {
    const invite = type === "invite" ? this.find(to, type, by) : undefined;
    if (invite?.theirs === undefined || this.isBlocked(by, to)) return { refused: "CONNECTION_NOT_FOUND" };
    const answers = Object.keys(patch).join() === "state" && ["accepted", "declined"].includes(String(patch.state));
    if (!answers || invite.theirs.properties.state !== "sent") return { refused: "INVITE_STATE" };
    invite.theirs = patched(invite.theirs, patch, at);
    this.tell(by, "connection.update", at, { peerId: to, type, side: invite.theirs });
    if (!this.isBlocked(to, by)) {
      invite.mine = patched(invite.mine, patch, at);
      this.tell(to, "connection.update", at, { peerId: by, type, side: invite.mine });
    }
    return { connection: { ...seenByPeer(invite), ...invite.theirs } };
  }

  private delete(by: string, { to, type }: Command & { verb: "delete" }, at: number): Answer {
    const isGone = (link: Link) =>
      link.owner === by && (to === undefined || link.peer === to) && (type === undefined || link.type === type);
    const gone = this.links.filter(isGone);
    this.links = this.links.filter((link) => !gone.includes(link));
    for (const { peer, type: kind, theirs } of gone) {
      if (theirs === undefined || this.isBlocked(peer, by)) continue;
      this.tell(peer, "connection.del", at, { peerId: by, type: kind, side: theirs });
    }
    return { deletedCount: gone.length };
  }

  private block(by: string, to: string, at: number): Answer {
    if (to === by) return { refused: "CONNECTION_TO_SELF" };
    if (!this.accounts.has(to)) return { refused: "ACCOUNT_NOT_FOUND" };
    if (!this.isBlocked(by, to)) this.blocks.push({ by, whom: to, at });
    return {};
  }

  private unblock(by: string, to: string): Answer {
    drop(this.blocks, (block) => block.by === by && block.whom === to);
    return {};
  }

  private increment(by: string, { to, amount }: Command & { verb: "increment" }, at: number): Answer {
    if (!this.accounts.has(to)) return { refused: "ACCOUNT_NOT_FOUND" };
    if (this.isBlocked(to, by)) this.vainPings.push({ of: to, viewer: by, amount });
    else {
      const ping = (this.pings.get(to) ?? 0) + amount;
      this.pings.set(to, ping);
      const data = { deltas: { ping: amount }, counters: { ping } };
      if (to !== by) this.told.push({ to, type: "counter.incr", at, data });
    }
    return { counters: { ping: this.ping(to, by) } };
  }

  private send(by: string, { to, text }: Command & { verb: "send" }, at: number): Answer {
    if (to === by) return { refused: "MESSAGE_TO_SELF" };
    if (!this.accounts.has(to)) return { refused: "RECIPIENT_NOT_FOUND" };
    const arrived = !this.isBlocked(to, by);
    this.messages.push({ from: by, to, text, arrived, isRead: false });
    const data = { senderId: by, recipientId: to, text };
    for (const reader of arrived ? [to, by] : [by]) this.told.push({ to: reader, type: "message.add", at, data });
    return { text };
  }

  private read(by: string): Answer {
    const unread = this.shown(by).filter(({ isRead }) => !isRead);
    for (const message of unread) message.isRead = true;
    return { texts: unread.map(({ text }) => text) };
  }

  /** Those that never reached him go as well: their sender could tell them apart. */
  private deleteMessages(by: string, from: string): Answer {
    const deletedCount = this.messages.filter((one) => one.to === by && one.from === from && one.arrived).length;
    drop(this.messages, (one) => one.to === by && one.from === from);
    return { deletedCount };
  }

  /** What it did towards others goes with it, and what they did towards it. Messages it sent stay with who has them. */
  private deleteAccount(by: string): Answer {
    this.accounts.delete(by);
    this.links = this.links.filter(({ owner, peer }) => owner !== by && peer !== by);
    this.messages = this.messages.filter(({ from, to, arrived }) => to !== by && (from !== by || arrived));
    drop(this.blocks, (block) => block.by === by || block.whom === by);
    drop(this.vainPings, ({ of, viewer }) => of === by || viewer === by);
    return {};
  }

  /** What an account has connected to, in the order of a list. */
  connections(viewer: string, look: Look = {}): Seen[] {
    const mine = this.links.filter(({ owner, peer }) => owner === viewer && !this.isBlocked(viewer, peer));
    return listed(mine.map(seenByOwner), look);
  }

  /** What others have connected to an account and it may see. */
  references(viewer: string, look: Look = {}): Seen[] {
    const theirs = this.links.filter(({ owner, peer }) => peer === viewer && !this.isBlocked(viewer, owner));
    return listed(
      theirs.filter((link) => link.theirs !== undefined).map((link) => ({ ...seenByPeer(link), ...link.theirs! })),
      look,
    );
  }

  /** To whom both have a connection of the type; nobody when the viewer has blocked the other. */
  mutual(viewer: string, peer: string, type: string): string[] {
    if (this.isBlocked(viewer, peer)) return [];
    const of = (owner: string) => this.links.filter((link) => link.owner === owner && link.type === type);
    const theirs = new Set(of(peer).map((link) => link.peer));
    return of(viewer)
      .map((link) => link.peer)
      .filter((id) => theirs.has(id) && !this.isBlocked(viewer, id))
      .sort();
  }

  /** An account's counters as somebody reads them. */
  counters(of: string, viewer: string): Record<string, number> {
    const counters: Record<string, number> = { ping: this.ping(of, viewer) };
    const isOwn = of === viewer;
    for (const type of isOwn ? SHOWN_TYPES : PUBLIC_TYPES) {
      const arrives = ({ owner, theirs }: Link) => theirs !== undefined || owner === viewer;
      counters[`${type}0`] = this.links.filter((link) => link.owner === of && link.type === type).length;
      counters[`${type}1`] = this.links.filter(
        (link) => link.peer === of && link.type === type && arrives(link),
      ).length;
    }
    const arrives = ({ from, arrived }: Message) => arrived || from === viewer;
    counters.msg_count = this.messages.filter((one) => one.to === of && arrives(one)).length;
    if (isOwn) counters.msg_read = this.messages.filter(({ to, isRead }) => to === of && isRead).length;
    return counters;
  }

  blocked(viewer: string): { peerId: string; createdAt: number }[] {
    return this.blocks
      .filter(({ by }) => by === viewer)
      .map(({ whom, at }) => ({ peerId: whom, createdAt: at }))
      .sort((a, b) => a.createdAt - b.createdAt || compare(a.peerId, b.peerId));
  }

  inbox(viewer: string): string[] {
    return this.shown(viewer).map(({ text }) => text);
  }

  private shown(viewer: string): Message[] {
    return this.messages.filter(({ from, to, arrived }) => to === viewer && arrived && !this.isBlocked(viewer, from));
  }

  private ping(of: string, viewer: string): number {
    return this.vainPings
      .filter((vain) => vain.of === of && vain.viewer === viewer)
      .reduce((sum, { amount }) => sum + amount, this.pings.get(of) ?? 0);
  }

  private find(owner: string, type: string, peer: string): Link | undefined {
    return this.links.find((link) => link.owner === owner && link.type === type && link.peer === peer);
  }

  private isBlocked(by: string, whom: string): boolean {
    return this.blocks.some((block) => block.by === by && block.whom === whom);
  }

  private tell(to: string, type: string, at: number, what: { peerId: string; type: string; side: Side }): void {
    const { peerId, type: kind, side } = what;
    this.told.push({ to, type, at, data: { peerId, type: kind, properties: side.properties } });
  }
}

function seenByOwner({ peer, type, createdAt, mine }: Link): Seen {
  return { peerId: peer, type, createdAt, ...mine };
}

function seenByPeer({ owner, type, createdAt }: Link) {
  return { peerId: owner, type, createdAt };
}

function patched({ properties }: Side, patch: Properties, at: number): Side {
  const merged = Object.entries({ ...properties, ...patch }).filter(([, value]) => value !== null);
  return { properties: Object.fromEntries(merged), updatedAt: at };
}

function listed(all: Seen[], { type, peer, since, descending = false }: Look): Seen[] {
  const order = (a: Seen, b: Seen) =>
    a.createdAt - b.createdAt || compare(a.peerId, b.peerId) || compare(a.type, b.type);
  return all
    .filter((one) => (type === undefined || one.type === type) && (peer === undefined || one.peerId === peer))
    .filter((one) => since === undefined || one.updatedAt > since)
    .sort((a, b) => (descending ? order(b, a) : order(a, b)));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Takes out of a list what `isGone` names; answers how many those were. */
function drop<T>(list: T[], isGone: (one: T) => boolean): number {
  const kept = list.filter((one) => !isGone(one));
  return list.splice(0, list.length, ...kept).length - kept.length;
}
