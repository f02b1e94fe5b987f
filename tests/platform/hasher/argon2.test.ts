import { expect, it } from "vitest";
import { DomainError } from "../../../server/kernel/errors.js";
import { argon2Hasher, isWeaker } from "../../../server/platform/hasher/argon2.js";
import { upTo } from "../../domains/support.js";

const hasher = argon2Hasher();

it("knows the secret behind a hash, whole: what differs after 72 bytes, or at the last of 256, is another", async () => {
  const secret = "s".repeat(255);
  const phc = await hasher.hash(`${secret}a`);
  const others = [`${secret}b`, secret, `${secret}a `, "s".repeat(72)];
  expect(await hasher.verify(`${secret}a`, phc)).toBe(true);
  for (const other of others) expect(await hasher.verify(other, phc)).toBe(false);
});

it("takes no secret for that of a login that is unknown, not even the one it compares with", async () => {
  expect(await hasher.verify("no account has this secret", undefined)).toBe(false);
});

it("makes hashes that need no better one yet", async () => {
  expect(hasher.needsRehash(await hasher.hash("a secret"))).toBe(false);
});

it.each([
  ["less memory", "$argon2id$v=19$m=9216,t=4,p=1$c2FsdHNhbHQ$aGFzaA", true],
  ["fewer passes", "$argon2id$v=19$m=19456,t=1,p=1$c2FsdHNhbHQ$aGFzaA", true],
  ["an older version", "$argon2id$v=16$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA", true],
  ["another algorithm", "$argon2i$v=19$m=65536,t=4,p=1$c2FsdHNhbHQ$aGFzaA", true],
  ["bcrypt", "$2b$12$abcdefghijklmnopqrstuv", true],
  ["today's cost", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA", false],
  ["a higher cost", "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA", false],
])("says whether a hash of %s should be made anew", (_, phc, expected) => {
  expect(isWeaker(phc)).toBe(expected);
});

it("lets 64 strangers wait while two are compared, and 32 who are known; others are told to come back", async () => {
  const phc = await hasher.hash("a secret");
  const compare = (lane: "known" | "stranger") =>
    hasher.verify("another", phc, lane).catch((error: DomainError) => `${error.reason} ${error.retryAfterMs}`);
  const hasRoom = (lane: "known" | "stranger") => expect(() => hasher.checkRoom(lane));
  const strangers = upTo(70).map(() => compare("stranger"));
  hasRoom("stranger").toThrow(DomainError);
  hasRoom("known").not.toThrow();
  const known = upTo(40).map(() => compare("known"));
  hasRoom("known").toThrow(DomainError);
  const refused = async (answers: Promise<unknown>[]) =>
    (await Promise.all(answers)).filter((answer) => answer === "TOO_MANY_SIGN_INS 1000").length;
  expect([await refused(strangers), await refused(known)]).toEqual([4, 8]);
  hasRoom("stranger").not.toThrow();
});
