import { afterEach, describe, expect, it } from "vitest";

/** A bus of one process among several of an installation. */
export interface BusNode {
  /** Begins to keep what this node hears of a subject. */
  listen(subject: string): Promise<void>;
  publish(subject: string, ...messages: unknown[]): Promise<void>;
  /** What it has heard of a subject so far. */
  heard(subject: string): Promise<unknown[]>;
  stop(): Promise<void>;
}

const SUBJECTS = [
  "",
  "a b",
  "events.*",
  ">",
  "a.b.c",
  "account/12",
  "%",
  "%002e",
  "Ünï\u{1f41f}",
  "line\r\nbreak",
  "\ud800",
];
const OTHERS = ["events.a", "a", "b", "*", "%0025", ".", "Account/12", "\ud801"];

/** What every bus between processes promises. `start` makes one more node, which hears what is published from then on. */
export function exerciseBusNodes(start: () => Promise<BusNode>): void {
  const nodes: BusNode[] = [];
  const startNodes = async () => {
    const three = await Promise.all([start(), start(), start()]);
    nodes.push(...three);
    return three;
  };
  const hears = (node: BusNode, subject: string, expected: unknown[]) =>
    expect.poll(() => node.heard(subject), { timeout: 5_000, interval: 10 }).toEqual(expected);

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  describe("between nodes", () => {
    it("brings every message to every node once, also to the publisher's own, in the order of publication", async () => {
      const [one, two, three] = await startNodes();
      for (const node of [one, two, three]) await node.listen("a");
      const sent = Array.from({ length: 2_000 }, (_, n) => ({ n, text: "héllo \u{1f41f}" }));
      await one.publish("a", ...sent);
      for (const node of [one, two, three]) await hears(node, "a", sent);
      // What comes twice would come before this.
      await one.publish("a", "end");
      for (const node of [two, three]) await hears(node, "a", [...sent, "end"]);
    });

    it("takes every subject for exactly what it is", async () => {
      const [one, two] = await startNodes();
      for (const subject of [...SUBJECTS, ...OTHERS, "end"]) await two.listen(subject);
      for (const subject of SUBJECTS) await one.publish(subject, subject.length);
      await one.publish("end", null);
      await hears(two, "end", [null]);
      for (const subject of SUBJECTS) expect([subject, await two.heard(subject)]).toEqual([subject, [subject.length]]);
      for (const other of OTHERS) expect([other, await two.heard(other)]).toEqual([other, []]);
    });

    it("goes both ways at once", async () => {
      const [one, two, three] = await startNodes();
      for (const node of [one, two, three]) await node.listen("a");
      const numbers = Array.from({ length: 300 }, (_, n) => n);
      await Promise.all([one, two].map((node, which) => node.publish("a", ...numbers.map((n) => `${which}.${n}`))));
      await expect.poll(async () => (await three.heard("a")).length, { timeout: 5_000 }).toBe(600);
      for (const node of [one, two, three]) {
        await expect.poll(async () => (await node.heard("a")).length, { timeout: 5_000 }).toBe(600);
        const heard = (await node.heard("a")) as string[];
        for (const which of ["0", "1"]) {
          expect(heard.filter((text) => text.startsWith(which))).toEqual(numbers.map((n) => `${which}.${n}`));
        }
      }
    });

    it("goes on when one of them is gone", async () => {
      const [one, two, three] = await startNodes();
      await two.listen("a");
      await three.stop();
      await one.publish("a", 1);
      await hears(two, "a", [1]);
    });
  });
}
