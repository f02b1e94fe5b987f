import { describe, expect, it } from "vitest";
import { foldLogin } from "../../../server/domains/accounts/login.js";
import { DomainError } from "../../../server/kernel/errors.js";
import { fc } from "../../support/properties.js";

/** The folded login, or undefined when it is refused. */
function fold(login: string): string | undefined {
  try {
    return foldLogin(login);
  } catch (error) {
    if (error instanceof DomainError && error.reason === "INVALID_LOGIN") return undefined;
    throw error;
  }
}

const login = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 });

describe("the folded form of a login", () => {
  it("is the same for every character in upper and lower case and every Unicode form", () => {
    const different: string[] = [];
    for (let code = 0; code <= 0x10ffff; code++) {
      const character = String.fromCodePoint(code);
      if (/\p{C}/u.test(character)) continue;
      const folded = fold(character);
      if (folded === undefined) continue;
      const twins = [
        character.toUpperCase(),
        character.toLowerCase(),
        character.normalize("NFD"),
        character.normalize("NFKC"),
        character.normalize("NFKD"),
        folded,
      ];
      if (twins.some((twin) => fold(twin) !== folded)) different.push(code.toString(16));
    }
    expect(different).toEqual([]);
  });

  it("is the same for whole texts too", () => {
    fc.assert(
      fc.property(login, (text) => {
        const folded = fold(text);
        fc.pre(folded !== undefined);
        for (const twin of [text.toUpperCase(), text.normalize("NFD"), text.normalize("NFKC"), folded]) {
          expect(fold(twin)).toBe(folded);
        }
      }),
    );
  });

  it("keeps different logins apart", () => {
    const logins = ["ada", "adá", "ada1", "a.da", "a-da", "a da", "αda", "аda", "ad\u0251"];
    expect(new Set(logins.map(fold)).size).toBe(logins.length);
  });

  it("never holds a character that nobody sees, nor blanks at an end", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        const folded = fold(text);
        if (folded === undefined) return;
        expect(folded).not.toMatch(/[\p{C}\p{Default_Ignorable_Code_Point}]/u);
        expect(folded).toBe(folded.trim());
        expect(folded.length).toBeLessThanOrEqual(1024);
      }),
    );
  });
});
