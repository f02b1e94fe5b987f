import { isDeepStrictEqual } from "node:util";
import { fc } from "../../support/properties.js";
import { auditTables } from "./model-audit.js";
import { type Actor, perform, viewOf } from "./model-client.js";
import { type Command, commandOf, named } from "./model-commands.js";
import type { ModelHouse } from "./model-house.js";

const ACCOUNTS = 6;
/** So many commands are under way at once, at most: more than there are connections to the database. */
const AT_ONCE = 40;

const wave = fc.array(commandOf(ACCOUNTS), { minLength: 1, maxLength: AT_ONCE, size: "max" });

/** A wave in which some leave, in the middle of what others do to them, and they themselves. */
const farewell = fc
  .record({
    commands: fc.array(commandOf(ACCOUNTS), { minLength: AT_ONCE, maxLength: AT_ONCE }),
    leaving: fc.uniqueArray(fc.nat(ACCOUNTS - 1), { minLength: 1, maxLength: 3 }),
    place: fc.nat(AT_ONCE),
  })
  .map(({ commands, leaving, place }) => {
    const aimed = commands.map((command, n) => {
      const who = leaving[n % leaving.length]!;
      return "to" in command ? { ...command, to: who } : { ...command, by: who };
    });
    const leave = leaving.map((by): Command<number> => ({ verb: "deleteAccount", by }));
    return [...aimed.slice(0, place), ...leave, ...aimed.slice(place)];
  });

/** Waves of commands, each wave done at once. */
export const waves: fc.Arbitrary<Command<number>[][]> = fc
  .tuple(fc.array(wave, { minLength: 1, maxLength: 5, size: "max" }), fc.option(farewell, { nil: [] }))
  .map(([before, last]) => [...before, last]);

/** What the contract tells of being refused, by verb. */
const REFUSED: Readonly<Record<Command["verb"], readonly string[]>> = {
  put: ["CONNECTION_TO_SELF", "INVITE_STATE", "ACCOUNT_NOT_FOUND", "CONNECTION_EXISTS"],
  update: ["CONNECTION_NOT_FOUND", "INVITE_STATE"],
  delete: [],
  block: ["CONNECTION_TO_SELF", "ACCOUNT_NOT_FOUND"],
  unblock: [],
  increment: ["ACCOUNT_NOT_FOUND"],
  putCounters: [],
  send: ["MESSAGE_TO_SELF", "RECIPIENT_NOT_FOUND"],
  read: [],
  deleteMessages: [],
  deleteAccount: [],
};
/** And of whose account is deleted just then. */
const GONE = ["INVALID_TOKEN", "ACCOUNT_NOT_FOUND"];

/** Does waves to a server, and throws where a call is refused as no contract says, or something does not fit together afterwards. */
export async function runWaves(house: ModelHouse, all: readonly Command<number>[][]): Promise<void> {
  const actors = await house.newActors(ACCOUNTS);
  const [nobody] = await house.newActors(1);
  await perform(house.url, nobody!, { verb: "deleteAccount", by: nobody!.id });
  const ids = [...actors, nobody!].map(({ id }) => id);
  const leaving = new Set<number>();
  const complaints: string[] = [];
  for (const wave of all) {
    house.clock.advance(1);
    const isThere = wave.filter(({ by }) => !leaving.has(by));
    for (const { verb, by } of isThere) if (verb === "deleteAccount") leaving.add(by);
    const answers = isThere.map(async (command) => {
      const answer = await perform(
        house.url,
        actors[command.by]!,
        named(command, (number) => ids[number]!),
      );
      if (!("refused" in answer)) return;
      const may = leaving.has(command.by) ? [...REFUSED[command.verb], ...GONE] : REFUSED[command.verb];
      if (!may.includes(answer.refused)) complaints.push(`${JSON.stringify(command)} was refused: ${answer.refused}`);
    });
    await Promise.all(answers);
  }
  const left = actors.filter((_, number) => !leaving.has(number));
  complaints.push(...(await auditTables(house.sql, ids)).map((one) => JSON.stringify(one)));
  complaints.push(...(await auditViews(house, left)));
  if (complaints.length > 0) throw new Error(complaints.join("\n"));
}

/** What accounts see of each other fits together, and with the tables. */
async function auditViews(house: ModelHouse, actors: readonly Actor[]): Promise<string[]> {
  const { sql, url } = house;
  const complaints: string[] = [];
  const same = (what: string, found: unknown, expected: unknown) => {
    if (!isDeepStrictEqual(found, expected)) {
      complaints.push(`${what}: found ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
    }
  };
  const ids = actors.map(({ id }) => id);
  const seen = await Promise.all(
    actors.map(async (actor) => {
      const view = viewOf(url, actor);
      const mine = (await view.connections()).map(({ peerId, type }) => [actor.id, type, peerId].join());
      const received = (await view.references()).map(({ peerId, type }) => [peerId, type, actor.id].join());
      const blocked = (await view.blocked()).map(({ peerId }) => peerId);
      return { id: actor.id, mine, received, blocked, counters: await view.counters(actor.id) };
    }),
  );
  const rows = await sql`
    select replace(account_id::text, '-', '') as owner, type, replace(peer_id::text, '-', '') as peer,
      reference_id is null as is_withheld
    from backstay.connections where account_id = any(${ids}::uuid[])`;
  const blocks = new Map(seen.map(({ id, blocked }) => [id, blocked]));
  for (const { id, mine, received, counters } of seen) {
    const isBlocked = (by: string, whom: string) => blocks.get(by)!.includes(whom);
    const made = rows.filter(({ owner, peer }) => owner === id && !isBlocked(id, peer));
    same(`connections of ${id}`, mine.sort(), made.map(key).sort());
    const got = rows.filter(({ owner, peer, is_withheld }) => peer === id && !is_withheld && !isBlocked(id, owner));
    same(`references of ${id}`, received.sort(), got.map(key).sort());
    const kept = await sql`
      select name, sum(value)::int as value from backstay.counters where account_id = ${id}::uuid group by name`;
    const shown = Object.fromEntries(Object.keys(counters).map((name) => [name, 0]));
    for (const { name, value } of kept) shown[name] = value;
    same(`counters of ${id}`, counters, shown);
  }
  return complaints;
}

function key({ owner, type, peer }: Record<string, unknown>): string {
  return [owner, type, peer].join();
}
