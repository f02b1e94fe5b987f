import { expect, it } from "vitest";
import { type Meetings, meetings } from "../../server/kernel/meetings.js";

/** Work that ends when it is told to. */
function begin(all: Meetings, about: string) {
  let end: (result: string) => void = () => {};
  let fail: (error: Error) => void = () => {};
  const work = new Promise<string>((resolve, reject) => {
    [end, fail] = [resolve, reject];
  });
  return { done: all.during(about, () => work), end, fail };
}

it("tells both, whoever ends first", async () => {
  const all = meetings();
  const [first, second] = [begin(all, "a"), begin(all, "a")];
  second.end("two");
  expect(await second.done).toEqual({ result: "two", met: true });
  first.end("one");
  expect(await first.done).toEqual({ result: "one", met: true });
});

it("tells nobody of what is about something else, or is over", async () => {
  const all = meetings();
  const other = begin(all, "b");
  for (const word of ["one", "two"]) {
    const alone = begin(all, "a");
    alone.end(word);
    expect(await alone.done).toEqual({ result: word, met: false });
  }
  other.end("three");
  expect(await other.done).toEqual({ result: "three", met: false });
});

it("takes what failed for over, and for met by who was there", async () => {
  const all = meetings();
  const [lasting, failing] = [begin(all, "a"), begin(all, "a")];
  failing.fail(new Error("no"));
  await expect(failing.done).rejects.toThrow("no");
  lasting.end("one");
  expect((await lasting.done).met).toBe(true);
  const after = begin(all, "a");
  after.end("two");
  expect((await after.done).met).toBe(false);
});
