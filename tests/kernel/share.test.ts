import { describe, expect, it, vi } from "vitest";
import { encodeOnce, encoder, share } from "../../server/kernel/share.js";

const upper = () => vi.fn((thing: { text: string }) => Buffer.from(thing.text.toUpperCase()));

describe("what is shared", () => {
  it("is encoded once into each form", () => {
    const thing = share({ text: "a" });
    const [first, second] = [upper(), upper()];
    const encoded = encodeOnce(thing, "one", () => first(thing));
    expect(encodeOnce(thing, "one", () => second(thing))).toBe(encoded);
    expect(second).not.toHaveBeenCalled();
    expect(encodeOnce(thing, "two", () => second(thing))).not.toBe(encoded);
  });

  it("is encoded once by an encoder, however many things come in between", () => {
    const encode = upper();
    const encoded = encoder(encode);
    const [a, b] = [share({ text: "a" }), share({ text: "b" })];
    const first = encoded(a);
    expect([encoded(a), encoded(b), encoded(a), encoded(b)]).toEqual([first, encoded(b), first, encoded(b)]);
    expect(encoded(a)).toBe(first);
    expect(encode).toHaveBeenCalledTimes(2);
  });

  it("is another thing to each encoder", () => {
    const thing = share({ text: "a" });
    expect(encoder(upper())(thing)).not.toBe(encoder(upper())(thing));
  });

  it("makes what is encoded of it shared too", () => {
    const length = vi.fn((bytes: Buffer) => ({ length: bytes.length }));
    const [bytes, lengths] = [encoder(upper()), encoder(length)];
    const thing = share({ text: "abc" });
    expect(lengths(bytes(thing))).toBe(lengths(bytes(thing)));
    expect(length).toHaveBeenCalledTimes(1);
  });

  it("may be encoded as false or nothing, once", () => {
    const thing = share({ text: "a" });
    const encode = vi.fn(() => false);
    encodeOnce(thing, "is b", encode);
    expect(encodeOnce(thing, "is b", encode)).toBe(false);
    expect(encode).toHaveBeenCalledTimes(1);
  });
});

it("what is not shared is encoded each time, since it may have changed", () => {
  const thing = { text: "a" };
  const encoded = encoder(upper());
  expect(String(encoded(thing))).toBe("A");
  thing.text = "b";
  expect(String(encoded(thing))).toBe("B");
  expect(encodeOnce(thing, "form", () => 1)).toBe(1);
  expect(encodeOnce(thing, "form", () => 2)).toBe(2);
});
