import { CounterService } from "#gen/backstay/counters/v1/counters_pb.js";
import { MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { isDerived } from "../../kernel/counters.js";
import { DomainError } from "../../kernel/errors.js";
import { notEmpty, ownChange } from "../exact.js";
import type { Given } from "../given.js";
import { checkSelect, forbiddenColumn, only, record } from "../record.js";
import { type Ask, type CompatRule, compatRule } from "../rule.js";

/** The counter that follows messages: to raise it is to mark as many of them read. */
const READ = "msg_read";
const MOST_READ = 10_000;
const MOST_PER_PAGE = 500;

type Values = Readonly<Record<string, bigint>>;

/** Counters as bk_counter shows them. No value is beyond what a number of JSON holds. */
function counterRecord(id: string | undefined, counters: Values): object {
  const columns = Object.entries(counters).map(([name, value]) => [name, Number(value)]);
  return { ...Object.fromEntries(columns), ...record({ id }) };
}

/** Whose counters a request means. */
function ownerOf(given: Given): string | undefined {
  return given.isOwn("id") ? given.callerId : given.text("id");
}

/** Throws for a column that `_select` names and is none, or is not public. Which others an app has is nobody else's to know. */
function checkCounterSelect(given: Given, shown: readonly string[]): void {
  const names = given.list("_select").filter((name) => name !== "id" && !shown.includes(name));
  const [hidden] = given.seesAll || given.isOwn("id") ? [] : names;
  if (hidden !== undefined) throw forbiddenColumn(hidden);
  // Those of other types of connections are shown once there are any.
  checkSelect(given, ["id", ...shown, ...names.filter(isDerived)]);
}

/** The counters a request gives. Throws INVALID_FIELD for one that is no whole number, UNKNOWN_COUNTER for what no record can have. */
function valuesOf(given: Given): Record<string, bigint> {
  if (given.stands("__proto__")) throw new DomainError("UNKNOWN_COUNTER", undefined, { field: "__proto__" });
  const names = given.columns.filter((name) => name !== "id");
  return Object.fromEntries(names.map((name) => [name, given.integer(name)]));
}

/** How many messages a request marks read. Throws INVALID_FIELD. */
function toRead(given: Given): number {
  const count = given.integer(READ);
  if (given.columns.some((name) => name !== "id" && name !== READ)) {
    throw refused(`${READ} stands alone: messages are marked in several steps, counters raised in one.`);
  }
  if (count >= 1n && count <= MOST_READ) return Number(count);
  throw refused(
    `The parameter ${READ} must be from 1 to ${MOST_READ}: as many messages are marked read, the oldest first.`,
  );
}

function refused(message: string): DomainError {
  return new DomainError("INVALID_FIELD", message, { field: READ });
}

/** Marks the oldest messages that are unread, as many as there are at most. */
async function markRead(count: number, ask: Ask): Promise<void> {
  let pageToken = "";
  for (let left = count; left > 0; ) {
    const request = { markRead: true, pageSize: Math.min(left, MOST_PER_PAGE), pageToken };
    const answer = await ask(MessageService.method.listUnread, request);
    left -= answer.messages.length;
    pageToken = answer.nextPageToken;
    if (pageToken === "") return;
  }
}

export const counterRules: readonly CompatRule[] = [
  compatRule("/counter/get", CounterService.method.getCounters, {
    ask: (given) => ({ accountId: given.text("id") }),
    reply: ({ counters }, given) => {
      checkCounterSelect(given, Object.keys(counters));
      return only(counterRecord(ownerOf(given), counters), given);
    },
  }),

  compatRule("/counter/put", CounterService.method.putCounters, {
    ask: (given) => {
      ownChange(given);
      return { counters: valuesOf(given) };
    },
    reply: ({ counters }, given) => counterRecord(given.callerId, counters),
  }),

  compatRule("/counter/incr", CounterService.method.incrementCounters, {
    ask: (given) => {
      notEmpty(given, "id");
      const deltas = valuesOf(given);
      if (Object.keys(deltas).length > 0) return { accountId: given.text("id"), deltas };
      throw new DomainError("INVALID_FIELD", "Give a counter to raise, such as ping.");
    },
    reply: ({ counters }, given) => counterRecord(ownerOf(given), counters),
    instead: (given) => {
      notEmpty(given, "id");
      if (!given.isOwn("id") || !given.has(READ)) return undefined;
      const count = toRead(given);
      return {
        methods: [MessageService.method.listUnread, CounterService.method.getCounters],
        async run(ask) {
          await markRead(count, ask);
          const { counters } = await ask(CounterService.method.getCounters, {});
          return counterRecord(given.callerId, { [READ]: counters[READ]! });
        },
      };
    },
  }),
];
