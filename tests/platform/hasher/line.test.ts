import { expect, it } from "vitest";
import type { Lane } from "../../../server/platform/hasher/hasher.js";
import { createLine } from "../../../server/platform/hasher/line.js";

/** A line of two, and work that ends when it is told to. */
function start() {
  const line = createLine({ atOnce: 2, waiting: { stranger: 3, known: 2 }, refuse: () => new Error("full") });
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const enter = (lane: Lane, name: string) =>
    line.inTurn(lane, () => {
      begun.push(name);
      return new Promise<void>((resolve) => ends.set(name, resolve));
    });
  /** Ends that work, and waits until the next has begun. */
  const end = async (name: string, work: Promise<void>) => {
    ends.get(name)!();
    await work;
    await new Promise(setImmediate);
  };
  return { line, begun, enter, end };
}

it("lets two work at once, then those who are known before all strangers, and each in the order they came", async () => {
  const { begun, enter, end } = start();
  const work = new Map<string, Promise<void>>();
  for (const name of ["s1", "s2", "s3", "s4", "k1", "s5", "k2"]) {
    work.set(name, enter(name.startsWith("k") ? "known" : "stranger", name));
  }
  expect(begun).toEqual(["s1", "s2"]);
  for (const name of ["s2", "k1", "s1", "k2", "s3", "s4", "s5"]) await end(name, work.get(name)!);
  expect(begun).toEqual(["s1", "s2", "k1", "k2", "s3", "s4", "s5"]);
});

it("refuses whoever finds his lane full, and nobody of the other", async () => {
  const { line, begun, enter, end } = start();
  const first = enter("stranger", "s1");
  for (const name of ["s2", "s3", "s4", "s5"]) void enter("stranger", name);
  expect(() => line.checkRoom("stranger")).toThrow("full");
  await expect(enter("stranger", "s6")).rejects.toThrow("full");
  line.checkRoom("known");
  const known = enter("known", "k1");
  await end("s1", first);
  expect(begun).toEqual(["s1", "s2", "k1"]);
  await end("k1", known);
  line.checkRoom("stranger");
  expect(begun).toEqual(["s1", "s2", "k1", "s3"]);
});

it("goes on when work fails", async () => {
  const { line, begun, enter, end } = start();
  const failing = () => Promise.reject(new Error("broken"));
  for (let n = 0; n < 3; n++) await expect(line.inTurn("stranger", failing)).rejects.toThrow("broken");
  const [one, two] = [enter("stranger", "s1"), enter("stranger", "s2")];
  expect(begun).toEqual(["s1", "s2"]);
  await end("s1", one);
  await end("s2", two);
});
