import { type Case, post } from "./cases.js";
import type { Target } from "./load.js";
import type { Person } from "./people.js";
import type { SocialGround } from "./social-ground.js";

const PATH = "/backstay.connections.v1.ConnectionService/PutConnection";
/** As many requests as a slice may need. */
const SLICE = 20_000;
const SLICE_OF_ONE = 6_000;
/** Who connects in these: so few that the server knows their tokens, so many that hardly two wait for one counter. */
const LIKERS = 64;
const IN_FLIGHT = 16;

interface Pair {
  liker: Person;
  peerId: string;
}

/** What is promised: the most processor time of the server and the most time of a call, as shares of the reference's. */
export const PUT_GOAL = { cpu: 1.5, time: 1.3 };

/** How many may be connected with, so that there are enough new pairs for so many rounds. */
export function peersOf(rounds: number): number {
  return Math.ceil(((rounds + 1) * (SLICE + SLICE_OF_ONE)) / LIKERS);
}

/** New connections, none of them twice, beside the same by hand: many at a time, and one after the other. */
export function putCases(ground: SocialGround, peers: readonly string[]): Case[] {
  const { server, bare, databasePid } = ground;
  const likers = ground.likers.slice(0, LIKERS);
  const [ours, theirs] = [newPairs(likers, peers), newPairs(likers, peers)];
  const put = (name: string, inFlight: number, count: number): Case => ({
    name,
    reference: "node:http with one statement",
    subject: {
      ...{ protocol: "http1", port: server.port, pid: server.pid, databasePid, inFlight, once: true },
      get requests() {
        return ours(count).map(likeRequest);
      },
    },
    against: {
      ...{ protocol: "http1", port: bare.port, pid: bare.pid, databasePid, inFlight, once: true },
      get requests() {
        const body = ({ liker, peerId }: Pair) => ({ accountId: liker.id, peerId, type: "like" });
        return theirs(count).map((pair) => post(PATH, pair.liker.token, body(pair)));
      },
    },
    goal: { cpu: PUT_GOAL.cpu, rate: 1 / PUT_GOAL.time },
  });
  return [put("PutConnection", IN_FLIGHT, SLICE), put("PutConnection, one at a time", 1, SLICE_OF_ONE)];
}

/** A like by each of the ground's likers, so many at once, the n-th of `peer(n)`. */
export function likes(ground: SocialGround, inFlight: number, peer: (n: number) => string): Target {
  const { server, databasePid, likers } = ground;
  return {
    ...{ protocol: "http1", port: server.port, pid: server.pid, databasePid, inFlight, once: true },
    requests: likers.map((liker, n) => likeRequest({ liker, peerId: peer(n) })),
  };
}

/** Answers pairs that it has not answered before. */
function newPairs(likers: readonly Person[], peers: readonly string[]): (count: number) => Pair[] {
  let next = 0;
  return (count) => {
    if (next + count > likers.length * peers.length) throw new Error("no pair is new any more: ask for fewer rounds");
    return Array.from({ length: count }, () => {
      const [n, round] = [next % likers.length, Math.floor(next / likers.length)];
      next++;
      // Each goes through all peers, and begins elsewhere among them.
      return { liker: likers[n]!, peerId: peers[(n * 7 + round) % peers.length]! };
    });
  };
}

function likeRequest({ liker, peerId }: Pair): string {
  return post(PATH, liker.token, { peerId, type: "like" });
}
