import { describe, expect, it } from "vitest";
import { DomainError, REASONS, type Reason } from "../../server/kernel/errors.js";

describe("an error", () => {
  it("has the kind and the sentence of its reason", () => {
    for (const [reason, [kind, sentence]] of Object.entries(REASONS)) {
      expect(new DomainError(reason as Reason)).toMatchObject({
        reason,
        kind,
        message: sentence,
        fields: [],
        metadata: {},
      });
    }
  });

  it("tells of one field what it says itself", () => {
    const error = new DomainError("INVALID_FIELD", "The name cannot be empty.", { field: "account.name" });
    expect(error.fields).toEqual([{ field: "account.name", description: "The name cannot be empty." }]);
  });

  it("tells of several fields what is wrong with each", () => {
    const fields = [
      { field: "a", description: "too long" },
      { field: "b", description: "too short" },
    ];
    expect(new DomainError("INVALID_FIELD", "Two fields are wrong.", { fields }).fields).toEqual(fields);
  });

  it("keeps its cause for the log", () => {
    const cause = new Error("the driver's");
    expect(new DomainError("DATABASE_UNAVAILABLE", undefined, { cause }).cause).toBe(cause);
    expect("cause" in new DomainError("INTERNAL")).toBe(false);
  });
});

it("reasons are in UPPER_SNAKE_CASE, and each says in one sentence what it means", () => {
  for (const [reason, [, sentence]] of Object.entries(REASONS)) {
    expect(reason).toMatch(/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/);
    expect(sentence).toMatch(/^[A-Z].*\.$/);
  }
});
