import { DomainError } from "../../kernel/errors.js";
import type { ProvidedIdentity } from "./identity-providers.js";

/** What a provider says of somebody. Nobody has checked what kind of value it is. */
export type Said = Readonly<Record<string, unknown>>;

/** As much as the database keeps of a name, of an address, and of the two names of a subject together. */
const MOST_NAME = 128;
const MOST_EMAIL = 254;
const MOST_SUBJECT = 1_000;

const CONTROLS = /[\p{Cc}\p{Cs}\u2028\u2029]/gu;
const EMAIL = /^[^\s@<>,;:"()[\]\\]+@[^\s@<>,;:"()[\]\\]+$/;

/** The part of it that we keep. Throws PROVIDER_REFUSED for a subject that nothing can be found by. */
export function claimsOf(said: Said, issuer: string, trustEmail: boolean): ProvidedIdentity {
  const { sub } = said;
  if (
    typeof sub !== "string" ||
    sub === "" ||
    issuer.length + sub.length > MOST_SUBJECT ||
    sub.search(CONTROLS) !== -1
  ) {
    throw new DomainError("PROVIDER_REFUSED", "The provider's name for whoever came is not one that can be kept.");
  }
  const email = emailOf(said.email);
  return {
    subject: sub,
    issuer,
    name: nameOf(said.name) ?? nameOf(said.preferred_username) ?? nameOf(said.nickname),
    email,
    emailVerified: trustEmail && email !== undefined && said.email_verified === true,
  };
}

function nameOf(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const name = [...value.replace(CONTROLS, "").trim()].slice(0, MOST_NAME).join("").trim();
  return name === "" ? undefined : name;
}

function emailOf(value: unknown): string | undefined {
  return typeof value === "string" && value.length <= MOST_EMAIL && EMAIL.test(value) && value.search(CONTROLS) === -1
    ? value
    : undefined;
}
