import { fc } from "../../support/properties.js";

export type Properties = Readonly<Record<string, string | number | null>>;

/** What an account does. Accounts are named by ids, or in what is drawn by their numbers. */
export type Command<Id = string> = { readonly by: Id } & (
  | { verb: "put"; to: Id; type: string; properties: Properties; createOnly: boolean }
  | { verb: "update"; to: Id; type: string; properties: Properties; only: string | undefined }
  | { verb: "delete"; to: Id | undefined; type: string | undefined }
  | { verb: "block" | "unblock"; to: Id }
  | { verb: "increment"; to: Id; amount: number }
  | { verb: "putCounters"; ping: number }
  | { verb: "send"; to: Id; text: string }
  | { verb: "read" }
  | { verb: "deleteMessages"; from: Id }
  | { verb: "deleteAccount" }
);

/** Few of each, so that what one does meets what another did. */
export const TYPES = ["like", "invite", "view"];

export const LONGEST_STORY = 10;

const type = fc.constantFrom(...TYPES);
const text = fc.constantFrom("a", "b", "c");
const amount = fc.constantFrom(-2, 1, 3);

/** Commands by and to accounts of these numbers; one more than there are is an account that never was. */
export function commandOf(accounts: number): fc.Arbitrary<Command<number>> {
  const by = fc.nat(accounts - 1);
  const to = fc.oneof({ weight: 20, arbitrary: fc.nat(accounts - 1) }, { weight: 1, arbitrary: fc.constant(accounts) });
  const put = { verb: fc.constant("put" as const), by, to, createOnly: mostlyNot };
  const update = { verb: fc.constant("update" as const), by, to };
  const all = (verb: "block" | "unblock") => fc.record({ verb: fc.constant(verb), by, to });
  const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  return fc.oneof(
    { weight: 12, arbitrary: fc.record({ ...put, type, properties: begun }) },
    { weight: 4, arbitrary: fc.record({ ...put, type: fc.constant("invite"), properties: begun }) },
    { weight: 4, arbitrary: fc.record({ ...update, type, properties: changed, only: some(fc.constant("a")) }) },
    { weight: 4, arbitrary: fc.record({ ...update, type: fc.constant("invite"), properties: answer, only: nothing }) },
    { weight: 5, arbitrary: fc.record({ verb: fc.constant("delete" as const), by, to: some(to), type: some(type) }) },
    { weight: 5, arbitrary: all("block") },
    { weight: 4, arbitrary: all("unblock") },
    { weight: 2, arbitrary: fc.record({ verb: fc.constant("increment" as const), by, to, amount }) },
    { weight: 1, arbitrary: fc.record({ verb: fc.constant("putCounters" as const), by, ping: amount }) },
    { weight: 2, arbitrary: fc.record({ verb: fc.constant("send" as const), by, to, text }) },
    { weight: 1, arbitrary: fc.record({ verb: fc.constant("read" as const), by }) },
    { weight: 1, arbitrary: fc.record({ verb: fc.constant("deleteMessages" as const), by, from: to }) },
    { weight: 1, arbitrary: fc.record({ verb: fc.constant("deleteAccount" as const), by }) },
  );
}

type Act = (by: number, to: number, type: string) => Command<number>;

/** What two do to each other about connections of one type: all that a block hides needs several steps in a row to be seen. */
export function storyOf(accounts: number): fc.Arbitrary<Command<number>[]> {
  const two = fc.tuple(fc.nat(accounts - 1), fc.integer({ min: 1, max: accounts - 1 }));
  const acts = fc.array(act, { minLength: 3, maxLength: LONGEST_STORY, size: "max" });
  return fc
    .tuple(two, type, acts)
    .map(([[by, away], kind, all]) => all.map((one) => one(by, (by + away) % accounts, kind)));
}

/** The same command with accounts named by `nameOf`. */
export function named(command: Command<number>, nameOf: (number: number) => string): Command {
  const ids: Record<string, string> = {};
  for (const [key, value] of Object.entries(command)) {
    if (["by", "to", "from"].includes(key) && value !== undefined) ids[key] = nameOf(value as number);
  }
  return { ...command, ...ids } as unknown as Command;
}

const nothing = fc.constant(undefined);
const blocking = fc.constantFrom("block" as const, "unblock" as const);
const mostlyNot = fc.nat(5).map((n) => n === 0);
const value = fc.constantFrom<(string | number)[]>(1, 2, "x");
const begun: fc.Arbitrary<Properties> = fc.oneof(
  { weight: 12, arbitrary: fc.dictionary(text, value, { maxKeys: 2, noNullPrototype: true }) },
  { weight: 1, arbitrary: fc.constantFrom({ state: "sent" }, { state: "accepted" }) },
);
const changed: fc.Arbitrary<Properties> = fc.dictionary(text, fc.oneof(value, fc.constant(null)), {
  minKeys: 1,
  maxKeys: 3,
  noNullPrototype: true,
});
const answer: fc.Arbitrary<Properties> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom({ state: "accepted" }, { state: "declined" }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Properties[]>({ state: "sent" }, { state: null }, { state: "accepted", a: 1 }),
  },
);

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ properties: begun, createOnly: mostlyNot }).map(
      (given): Act =>
        (by, to, kind) => ({ verb: "put", by, to, type: kind, ...given }),
    ),
  },
  {
    weight: 3,
    arbitrary: changed.map(
      (properties): Act =>
        (by, to, kind) => ({ verb: "update", by, to, type: kind, properties, only: undefined }),
    ),
  },
  {
    weight: 2,
    arbitrary: answer.map(
      (properties): Act =>
        (by, to) => ({ verb: "update", by: to, to: by, type: "invite", properties, only: undefined }),
    ),
  },
  { weight: 2, arbitrary: fc.constant<Act>((by, to, kind) => ({ verb: "delete", by, to, type: kind })) },
  {
    weight: 3,
    arbitrary: blocking.map(
      (verb): Act =>
        (by, to) => ({ verb, by: to, to: by }),
    ),
  },
  {
    weight: 1,
    arbitrary: blocking.map(
      (verb): Act =>
        (by, to) => ({ verb, by, to }),
    ),
  },
  {
    weight: 1,
    arbitrary: amount.map(
      (by): Act =>
        (who, to) => ({ verb: "increment", by: who, to, amount: by }),
    ),
  },
);
