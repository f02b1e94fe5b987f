import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { fc } from "../../support/properties.js";
import { Graph, type Look } from "./model.js";
import { auditTables } from "./model-audit.js";
import { type Actor, perform, viewOf } from "./model-client.js";
import { type Command, commandOf, LONGEST_STORY, named, storyOf, TYPES } from "./model-commands.js";
import type { ModelHouse } from "./model-house.js";

const ACCOUNTS = 4;

/** A command, how long after the one before it comes, and how somebody looks at the graph afterwards, if anybody does. */
interface Step {
  readonly command: Command<number>;
  readonly afterMs: number;
  readonly look: (Look & { viewer: number; of: number; pageSize: number }) | undefined;
}

const look = fc.record({
  viewer: fc.nat(ACCOUNTS - 1),
  of: fc.nat(ACCOUNTS - 1),
  type: fc.option(fc.constantFrom(...TYPES), { nil: undefined }),
  since: fc.option(fc.nat(8), { nil: undefined }),
  descending: fc.boolean(),
  pageSize: fc.integer({ min: 1, max: 4 }),
});

const around = { afterMs: fc.nat(2), look: fc.option(look, { nil: undefined, freq: 3 }) };
const single = fc.record({ command: commandOf(ACCOUNTS), ...around }).map((step) => [step]);
const rests = fc.array(fc.record(around), { minLength: LONGEST_STORY, maxLength: LONGEST_STORY });
const story = fc
  .tuple(storyOf(ACCOUNTS), rests)
  .map(([commands, all]) => commands.map((command, n) => ({ command, ...all[n]! })));

/** Sequences of what accounts do one after the other. */
export const sequence: fc.Arbitrary<Step[]> = fc
  .array(fc.oneof({ weight: 4, arbitrary: single }, { weight: 1, arbitrary: story }), {
    minLength: 1,
    maxLength: 25,
    size: "max",
  })
  .map((parts) => parts.flat());

/** Does a sequence to a server and to the model, and throws where one answers, shows or tells anything else than the other. */
export async function runSequence(house: ModelHouse, steps: readonly Step[]): Promise<void> {
  const actors = await house.newActors(ACCOUNTS);
  const ids = [...actors.map(({ id }) => id), randomUUID().replaceAll("-", "")];
  const graph = new Graph(ids.slice(0, ACCOUNTS));
  for (const [at, step] of steps.entries()) {
    const command = named(step.command, (number) => ids[number]!);
    if (!graph.accounts.has(command.by)) continue;
    house.clock.advance(step.afterMs);
    const now = house.clock.now().getTime();
    const answer = await perform(house.url, actors[step.command.by]!, command);
    same(`the answer to step ${at}, ${JSON.stringify(step.command)}`, answer, graph.apply(command, now));
    if (step.look !== undefined) await compareLook(house, graph, actors, step.look);
  }
  for (const actor of actors) if (graph.accounts.has(actor.id)) await compareWhole(house, graph, actor);
  await compareTold(house, graph);
  same("complaints about the tables", await auditTables(house.sql, ids), []);
}

async function compareLook(
  house: ModelHouse,
  graph: Graph,
  actors: readonly Actor[],
  { viewer: number, of, type, since, descending, pageSize }: NonNullable<Step["look"]>,
): Promise<void> {
  const viewer = actors[number]!;
  const other = actors[of]!.id;
  if (!graph.accounts.has(viewer.id)) return;
  const view = viewOf(house.url, viewer);
  const peer = other === viewer.id ? undefined : other;
  const now = house.clock.now().getTime();
  const filter = { type, peer, since: since === undefined ? undefined : now - since, descending };
  const who = `${number} sees by ${JSON.stringify({ type, of, since, descending, pageSize })}`;
  same(`connections ${who}`, await view.connections({ ...filter, pageSize }), graph.connections(viewer.id, filter));
  same(`references ${who}`, await view.references({ ...filter, pageSize }), graph.references(viewer.id, filter));
  if (graph.accounts.has(other)) {
    same(`counters of ${of} ${who}`, await view.counters(other), graph.counters(other, viewer.id));
  }
  if (peer !== undefined && graph.accounts.has(peer) && type !== undefined) {
    same(`mutual ${who}`, await view.mutual(peer, type, pageSize), graph.mutual(viewer.id, peer, type));
  }
}

async function compareWhole(house: ModelHouse, graph: Graph, viewer: Actor): Promise<void> {
  const view = viewOf(house.url, viewer);
  const { id } = viewer;
  same(`connections of ${id}`, await view.connections(), graph.connections(id));
  same(`references of ${id}`, await view.references(), graph.references(id));
  same(`blocks of ${id}`, await view.blocked(), graph.blocked(id));
  same(`messages of ${id}`, await view.inbox(), graph.inbox(id));
  for (const of of graph.accounts) {
    same(`counters of ${of} as ${id} sees them`, await view.counters(of), graph.counters(of, id));
  }
}

/** Compares what the log tells each account with what the model has told it. */
async function compareTold(house: ModelHouse, graph: Graph): Promise<void> {
  const { sql } = house;
  while ((await sql`select from backstay.outbox limit 1`).length > 0) await new Promise((done) => setTimeout(done, 2));
  for (const to of graph.accounts) {
    const rows = await sql`
      select type, data, (extract(epoch from created_at) * 1000)::float8 as at from backstay.events
      where topic = ${`account/${to}`} and type in ('connection.add', 'connection.update', 'connection.del', 'counter.incr', 'message.add')`;
    const told = rows.map(({ type, data, at }) => [at, type, essence(type, data)]);
    const due = graph.told.filter((one) => one.to === to).map(({ type, data, at }) => [at, type, data]);
    same(`what ${to} is told`, inOrder(told), inOrder(due));
  }
}

/** What the model knows of an event's data. */
function essence(type: string, data: Record<string, unknown>): object {
  if (type === "message.add") return { senderId: data.senderId, recipientId: data.recipientId, text: data.text };
  if (type !== "counter.incr") return { peerId: data.peerId, type: data.type, properties: data.properties ?? {} };
  const numbers = (values: unknown) =>
    Object.fromEntries(Object.entries(values as object).map(([name, value]) => [name, Number(value)]));
  return { deltas: numbers(data.deltas), counters: numbers(data.counters) };
}

/** By time: several events of one call are told in no order. */
function inOrder(told: unknown[][]): string[] {
  return told.map((one) => JSON.stringify(sorted(one))).sort();
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, sorted(one)]),
  );
}

function same(what: string, found: unknown, expected: unknown): void {
  if (isDeepStrictEqual(found, expected)) return;
  throw new Error(`${what}: found ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
}
