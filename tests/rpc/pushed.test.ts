import { describe, expect, it } from "vitest";
import { DomainError } from "../../server/kernel/errors.js";
import { Pushed } from "../../server/manifest.js";
import { pulled, pushing } from "../../server/rpc/pushed.js";

/** Counts up, and tells how far it was asked and whether it was let go. */
function counting(upTo = Number.POSITIVE_INFINITY) {
  const state = { asked: 0, isReleased: false };
  async function* items() {
    try {
      while (state.asked < upTo) yield ++state.asked;
    } finally {
      state.isReleased = true;
    }
  }
  return { state, items: items() };
}

const turns = async () => {
  for (let n = 0; n < 20; n++) await new Promise(setImmediate);
};

describe("a stream that is asked for each item", () => {
  it("pushes no faster than its reader takes them", async () => {
    const { state, items } = counting(4);
    const seen: number[] = [];
    let drained = () => {};
    const over = pushing(items).run({
      write: (item) => seen.push(item) % 2 !== 0,
      onDrain: (listener) => {
        drained = listener;
      },
    });
    await turns();
    expect(seen).toEqual([1, 2]);
    drained();
    await turns();
    expect(seen).toEqual([1, 2, 3, 4]);
    drained();
    await over;
    expect(state.isReleased).toBe(true);
  });

  it("is let go when its reader takes nothing more", async () => {
    const { state, items } = counting();
    const refused = new DomainError("CALL_CANCELED");
    const write = () => {
      throw refused;
    };
    await expect(pushing(items).run({ write, onDrain() {} })).rejects.toBe(refused);
    expect(state).toEqual({ asked: 1, isReleased: true });
  });
});

describe("a stream that pushes", () => {
  it("is read item by item, and ends as it does", async () => {
    const { items } = counting(3);
    const seen: number[] = [];
    for await (const item of pulled(pushing(items))) seen.push(item);
    expect(seen).toEqual([1, 2, 3]);
    const failing = new Pushed<number>(async (outlet) => {
      outlet.write(1);
      throw new Error("late");
    });
    const read = pulled(failing);
    expect((await read.next()).value).toBe(1);
    await expect(read.next()).rejects.toThrow("late");
  });

  it("is told that its reader is behind until he asks for more", async () => {
    const { state, items } = counting();
    const read = pulled(pushing(items));
    await read.next();
    await turns();
    expect(state.asked).toBe(1);
    await read.next();
    await turns();
    expect(state.asked).toBe(2);
    await read.return(undefined);
  });

  it("is let go when its reader leaves", async () => {
    const { state, items } = counting();
    const read = pulled(pushing(items));
    await read.next();
    await read.return(undefined);
    await turns();
    expect(state.isReleased).toBe(true);
  });
});
