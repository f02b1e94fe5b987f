import type { InstanceKey } from "../../kernel/instance-key.js";
import type { Db } from "../db/db.js";
import type { AuditFault, AuditProgress } from "./audit.js";
import { entryHash } from "./entry-hash.js";
import { type Head, isGenuine } from "./head.js";
import { type CheckedEntry, readEnds, readEntries } from "./store-read.js";

const PAGE = 1_000;

type Ends = Head & { oldest: bigint | null; newest: bigint | null };

/** Where a check is: behind an entry of this hash. */
interface Place {
  sequence: bigint;
  hash: Buffer;
}

/**
 * Checks each entry's hash over the one before, that none is missing, and that what the head says of the two ends is so and of
 * this installation's key. What is chained meanwhile is not looked at; what retention takes meanwhile is no fault.
 */
export async function* verifyLog(ctx: { readonly db: Db }, key: InstanceKey): AsyncGenerator<AuditProgress> {
  const [ends] = await readEnds(ctx, {});
  if (ends === undefined) return yield { checked: 0, sequence: 0n, fault: { sequence: 0n, says: "The head is gone." } };
  const upTo = ends.lastSequence;
  let place = beginning(ends);
  const early = faultBefore(key, ends);
  if (early !== undefined) return yield { checked: 0, sequence: place.sequence, fault: early };
  let checked = 0;
  while (place.sequence < upTo) {
    const entries = await readEntries(ctx, { after: place.sequence, upTo, limit: PAGE });
    if (entries[0]?.sequence !== place.sequence + 1n) {
      const later = await pruned(ctx, key, place);
      if (later !== undefined) {
        place = later;
        continue;
      }
    }
    const page = entries.length === 0 ? { place, count: 0, fault: cut(place, upTo) } : checkPage(place, entries);
    place = page.place;
    checked += page.count;
    const { fault } = page;
    yield { checked, sequence: place.sequence, ...(fault !== undefined && { fault }) };
    if (fault !== undefined) return;
  }
  const fault = faultOfEnds(key, ends, place);
  yield { checked, sequence: place.sequence, ...(fault !== undefined && { fault }) };
}

function beginning({ prunedSequence, firstHash }: Head): Place {
  return { sequence: prunedSequence, hash: firstHash };
}

/** Where the log begins by now, when retention has taken what follows a place; undefined when it has not. */
async function pruned(ctx: { readonly db: Db }, key: InstanceKey, place: Place): Promise<Place | undefined> {
  const [ends] = await readEnds(ctx, {});
  const isGone = ends !== undefined && ends.prunedSequence > place.sequence && isGenuine(key, ends);
  return isGone ? beginning(ends) : undefined;
}

/** How far entries follow a place and each other, and what is wrong with the next. */
function checkPage(from: Place, entries: readonly CheckedEntry[]): { place: Place; count: number; fault?: AuditFault } {
  let place = from;
  for (const [count, entry] of entries.entries()) {
    const sequence = place.sequence + 1n;
    if (entry.sequence !== sequence) return { place, count, fault: missing(sequence) };
    if (!entryHash(place.hash, sequence, entry).equals(entry.hash)) return { place, count, fault: changed(sequence) };
    place = { sequence, hash: entry.hash };
  }
  return { place, count: entries.length };
}

/** What stands before the log's beginning, where no chain leads to it; a head that is not genuine cannot say where that is. */
function faultBefore(key: InstanceKey, ends: Ends): AuditFault | undefined {
  const { oldest, prunedSequence } = ends;
  if (oldest === null || oldest > prunedSequence || !isGenuine(key, ends)) return undefined;
  return { sequence: oldest, says: `Entry ${oldest} stands before the log's beginning: the server did not add it.` };
}

/** What is wrong with the ends as they were when the check began; `place` is where it has ended. */
function faultOfEnds(key: InstanceKey, ends: Ends, place: Place): AuditFault | undefined {
  const { lastSequence: sequence, newest } = ends;
  if (newest !== null && newest > sequence) {
    return {
      sequence: sequence + 1n,
      says: `Entry ${sequence + 1n} and what follows it were not added by the server.`,
    };
  }
  if (place.sequence === sequence && !place.hash.equals(ends.lastHash)) {
    return {
      sequence,
      says: `Entry ${sequence} is not the last one that the server remembers: the log was rewritten.`,
    };
  }
  if (isGenuine(key, ends)) return undefined;
  return { sequence, says: "The head was not written by this installation: the log may have been cut or rewritten." };
}

function missing(sequence: bigint): AuditFault {
  return { sequence, says: `Entry ${sequence} is missing.` };
}

function changed(sequence: bigint): AuditFault {
  return { sequence, says: `Entry ${sequence} was changed, or the hash of the one before it.` };
}

function cut({ sequence }: Place, upTo: bigint): AuditFault {
  const says = `The log ends at entry ${sequence}, and went on to ${upTo}: its tail was cut.`;
  return { sequence: sequence + 1n, says };
}
