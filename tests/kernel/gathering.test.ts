import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Gathering, gathering } from "../../server/kernel/gathering.js";

interface Work {
  line: Gathering<string, string>;
  /** What was done, in its order: alone, or together by plus signs. */
  done: string[];
  /** Ends what is under way, the oldest first. */
  end(): Promise<void>;
  run(input: string): Promise<string>;
}

function workOf(options: { abreast?: number; most?: number; patienceMs?: number; fails?: boolean } = {}): Work {
  const done: string[] = [];
  const ends: (() => void)[] = [];
  const under = (name: string) => {
    done.push(name);
    return new Promise<void>((resolve) => ends.push(resolve));
  };
  const line = gathering<string, string>({
    abreast: options.abreast ?? 1,
    most: options.most ?? 100,
    patienceMs: options.patienceMs ?? 60_000,
    about: (input) => input.slice(0, 1),
    together: async (inputs) => {
      await under(inputs.join("+"));
      if (options.fails) throw new Error("not together");
      return inputs.map((input) => (input.startsWith("left") ? undefined : input.toUpperCase()));
    },
  });
  return {
    line,
    done,
    run: (input) =>
      line.run(input, async () => {
        await under(input);
        if (input === "bad") throw new Error("bad");
        return input.toUpperCase();
      }),
    async end() {
      ends.shift()?.();
      await new Promise(setImmediate);
    },
  };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("what comes at once", () => {
  it("is done alone when nothing is under way", async () => {
    const { run, end, done } = workOf();
    const first = run("a");
    await end();
    expect(await first).toBe("A");
    const second = run("b");
    await end();
    expect([await second, done]).toEqual(["B", ["a", "b"]]);
  });

  it("while something is, is done together as soon as that is over, and each has its own answer", async () => {
    const { run, end, done } = workOf();
    const all = Promise.all(["a", "b", "c"].map((input) => run(input)));
    await end();
    await end();
    expect([await all, done]).toEqual([
      ["A", "B", "C"],
      ["a", "b+c"],
    ]);
  });

  it("is done by as many at once as are said, and in groups that are no larger", async () => {
    const { run, end, done } = workOf({ abreast: 2, most: 2 });
    const all = Promise.all(["a", "b", "c", "d", "e"].map((input) => run(input)));
    expect(done).toEqual(["a", "b"]);
    await end();
    expect(done).toEqual(["a", "b", "c+d"]);
    for (const _ of [1, 2, 3]) await end();
    expect([await all, done]).toEqual([
      ["A", "B", "C", "D", "E"],
      ["a", "b", "c+d", "e"],
    ]);
  });

  it("waits no longer for what stands still, alone or together", async () => {
    const { run, done } = workOf({ patienceMs: 50 });
    for (const input of ["a", "b", "c"]) void run(input);
    vi.advanceTimersByTime(50);
    expect(done).toEqual(["a", "b+c"]);
    void run("d");
    expect(done).toEqual(["a", "b+c"]);
    vi.advanceTimersByTime(50);
    expect(done).toEqual(["a", "b+c", "d"]);
  });

  it("counts what stood still no second time when it ends", async () => {
    const { run, done, end } = workOf({ patienceMs: 50 });
    void run("a");
    vi.advanceTimersByTime(50);
    void run("b");
    await end();
    void run("c");
    expect(done).toEqual(["a", "b"]);
    await end();
    expect(done).toEqual(["a", "b", "c"]);
  });

  it("never does two together that are about the same, and keeps their order", async () => {
    const { run, end, done } = workOf();
    const all = Promise.all(["x", "a1", "b1", "a2", "a3"].map((input) => run(input)));
    for (const _ of [1, 2, 3, 4]) await end();
    await all;
    expect(done).toEqual(["x", "a1+b1", "a2", "a3"]);
  });

  it("is done one by one where together fails, so that each fails for itself", async () => {
    const { run, end, done } = workOf({ fails: true });
    const all = Promise.allSettled(["x", "a", "bad", "c"].map((input) => run(input)));
    for (const _ of [1, 2, 3, 4, 5]) await end();
    expect((await all).map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
    expect(done).toEqual(["x", "a+bad+c", "a", "bad", "c"]);
  });

  it("is done alone where together leaves it out", async () => {
    const { run, end, done } = workOf();
    const all = Promise.all(["x", "a", "left", "c"].map((input) => run(input)));
    for (const _ of [1, 2, 3]) await end();
    expect(await all).toEqual(["X", "A", "LEFT", "C"]);
    expect(done).toEqual(["x", "a+left+c", "left"]);
  });

  it("goes on after one that failed alone", async () => {
    const { run, end } = workOf();
    const all = Promise.allSettled([run("bad"), run("a")]);
    for (const _ of [1, 2]) await end();
    expect((await all).map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
  });
});
