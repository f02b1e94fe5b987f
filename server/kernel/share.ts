/**
 * Encoded forms of things that many get: an event is one thing, and a thousand streams write the same bytes of it. What was not
 * shared is encoded each time, and nothing of it is kept.
 */
const forms = new WeakMap<object, Map<unknown, unknown>>();

/** Says that a thing, which must not change any more, will be encoded for many. */
export function share<T extends object>(thing: T): T {
  if (!forms.has(thing)) forms.set(thing, new Map());
  return thing;
}

/**
 * Encodes a thing into a form: once, when it is shared, and what comes of it is then shared too. `form` names the form by being
 * the same object or text; what it makes of a thing is never undefined.
 */
export function encodeOnce<E>(thing: object, form: unknown, encode: () => E): E {
  const known = forms.get(thing);
  if (known === undefined) return encode();
  let encoded = known.get(form) as E | undefined;
  if (encoded === undefined) {
    encoded = encode();
    known.set(form, encoded);
    if (typeof encoded === "object" && encoded !== null) share(encoded);
  }
  return encoded;
}

/**
 * The same as a function of the thing alone, whose own form it makes. It looks first at the thing it was asked last: who tells
 * thousands the same asks thousands of times in a row.
 */
export function encoder<T extends object, E>(encode: (thing: T) => E): (thing: T) => E {
  const form = {};
  let last: T | undefined;
  let lastEncoded: E | undefined;
  return (thing) => {
    if (thing === last) return lastEncoded as E;
    if (!forms.has(thing)) return encode(thing);
    lastEncoded = encodeOnce(thing, form, () => encode(thing));
    last = thing;
    return lastEncoded;
  };
}
