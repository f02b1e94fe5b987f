import type { InstanceKey } from "../../kernel/instance-key.js";
import { framed } from "./entry-hash.js";

/** The log's two ends, as the database remembers them. */
export interface Head {
  /** The hash that the first kept entry was made with, and the place of the one before it; empty and 0 at the beginning. */
  firstHash: Buffer;
  prunedSequence: bigint;
  lastSequence: bigint;
  lastHash: Buffer;
  mac: Buffer;
}

type Ends = Omit<Head, "mac">;

/** A MAC that is of nothing. */
const FORGED = Buffer.alloc(32);

/** Whether it was this installation that wrote the head. Before the first entry it has no MAC. */
export function isGenuine(key: InstanceKey, head: Head): boolean {
  const isNew = head.lastSequence === 0n && head.prunedSequence === 0n && head.lastHash.length === 0;
  if (isNew && head.firstHash.length === 0 && head.mac.length === 0) return true;
  return head.mac.length === FORGED.length && key.verifies("audit-head", bytesOf(head), head.mac);
}

/** Whether its MAC is already of the key's current secret. */
export function isCurrent(key: InstanceKey, head: Head): boolean {
  return head.mac.length === 0 || key.mac("audit-head", bytesOf(head)).equals(head.mac);
}

/**
 * The MAC of the ends that follow a head. That of a head which somebody else wrote is never right again: a forgery must not
 * become good by being added to.
 */
export function macAfter(key: InstanceKey, before: Head, ends: Ends): Buffer {
  return isGenuine(key, before) ? key.mac("audit-head", bytesOf(ends)) : FORGED;
}

function bytesOf({ firstHash, prunedSequence, lastSequence, lastHash }: Ends): Buffer {
  return framed([firstHash, String(prunedSequence), String(lastSequence), lastHash]);
}
