import { describe, expect, it } from "vitest";
import { DomainError } from "../../server/kernel/errors.js";
import { compilePattern } from "../../server/kernel/pattern.js";

const finds = (source: string, text: string, options = {}) => compilePattern(source, "match", options).test(text);

describe("a pattern", () => {
  it.each<[string, string, boolean]>([
    ["b", "abc", true],
    ["^b", "abc", false],
    ["", "", true],
    ["^.$", "🐌", true],
    ["^.$", "\n", false],
    ["(?s)^.$", "\n", true],
    ["\\d", "٣", false],
    ["\\p{Greek}", "λ", true],
    ["\\w", "é", false],
    ["^\\Qa.b\\E$", "a.b", true],
    ["(?P<name>a)", "a", true],
    ["a$", "a\n", false],
    ["(?m)a$", "a\nb", true],
    ["\\bfoo\\b", "a foo b", true],
    ["[[:alpha:]]", "1", false],
  ])("means what RE2 means by it: %s in %j is %s", (source, text, expected) => {
    expect(finds(source, text)).toBe(expected);
  });

  it("folds the case of every letter when it is to ignore case", () => {
    expect(finds("straße ÅNGSTRÖM", "STRAßE ångström", { ignoreCase: true })).toBe(true);
    expect(finds("ångström", "ÅNGSTRÖM")).toBe(false);
  });

  it("answers the same after it forgot what it remembered", () => {
    const pattern = compilePattern("(a|b)*c", "match");
    expect([pattern.test("ababc"), pattern.test("abab")]).toEqual([true, false]);
    pattern.forget();
    expect([pattern.test("ababc"), pattern.test("abab")]).toEqual([true, false]);
  });

  it.each([
    ["(", "is no RE2"],
    ["a**", "is no RE2"],
    ["(?=a)", "is no RE2"],
    ["(?<!a)b", "is no RE2"],
    ["(a)\\1", "is no RE2"],
    ["\\p{Klingon}", "is no RE2"],
    ["a{1001}", "repeats too much"],
    ["a{300}b{300}", "repeats too much"],
    ["((a{10}){10}){10}", "repeats too much"],
    ["a".repeat(257), "more than 256 characters"],
  ])("is refused with its field: %s", (source, says) => {
    const attempt = () => compilePattern(source, "filters[0].values[0]");
    expect(attempt).toThrow(DomainError);
    expect(attempt).toThrow(says);
    try {
      attempt();
    } catch (error) {
      const { reason, fields } = error as DomainError;
      expect({ reason, field: fields[0]?.field }).toEqual({ reason: "INVALID_PATTERN", field: "filters[0].values[0]" });
    }
  });

  it("may have 256 characters, each of several code units", () => {
    expect(finds("🐌".repeat(256), "🐌".repeat(256))).toBe(true);
  });
});
