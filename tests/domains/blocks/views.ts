import { exportedOf } from "../exported.js";
import { type Step, step } from "./house.js";
import type { Pair } from "./twins.js";

export const toMe = ({ me }: Pair) => ({ peerId: me.id });
export const toPeer = ({ peer }: Pair) => ({ peerId: peer.id });

const filter = (column: string, ...values: unknown[]) => ({ column, op: "eq", values });

/** All that somebody can read of what is between him and his peer. */
export const views: readonly Step[] = [
  step("CounterService.GetCounters", ({ peer }) => ({ accountId: peer.id })),
  step("CounterService.GetCounters"),
  step("ConnectionService.ListConnections", { details: true }),
  step("ConnectionService.ListConnections", ({ peer }) => ({ peerId: peer.id, descending: true })),
  step("ConnectionService.ListConnections", ({ peer }) => ({ filters: [filter("peer_id", peer.id)], pageSize: 2 })),
  step("ConnectionService.ListConnections", { type: "like", filters: [filter("properties.note", "again")] }),
  step("ConnectionService.ListConnections", { since: "2031-02-03T04:05:30Z" }),
  step("ConnectionService.ListReferences", { details: true }),
  step("ConnectionService.ListReferences", ({ peer }) => ({ peerId: peer.id, pageSize: 1 })),
  step("ConnectionService.ListReferences", ({ peer }) => ({ filters: [filter("peer_id", peer.id)] })),
  step("ConnectionService.ListReferences", { type: "invite" }),
  step("ConnectionService.ListMutual", (pair) => ({ ...toPeer(pair), type: "like" })),
  step("MessageService.ListMessages", ({ peer }) => ({ senderId: peer.id })),
  step("MessageService.ListMessages", ({ peer }) => ({ filters: [filter("sender_id", peer.id)], descending: true })),
  step("MessageService.ListUnread"),
  step("AccountService.GetAccount", ({ peer }) => ({ id: peer.id })),
  step("AccountService.BatchGetAccounts", ({ me, peer, friend }) => ({ ids: [peer.id, friend.id, me.id, "nobody"] })),
  step("AccountService.ListAccounts", ({ peer }) => ({ filters: [filter("id", peer.id)] })),
  step("AccountService.ListAccounts", ({ peer }) => ({ filters: [filter("name", `Name of ${peer.login}`)] })),
];

/** What is kept of him. */
export const exported: Step = {
  rpc: "AccountService.ExportAccount",
  ask: ({ me }, { backstay }) => exportedOf(backstay, me.token),
};
