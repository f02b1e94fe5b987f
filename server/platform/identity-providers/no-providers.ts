import { DomainError } from "../../kernel/errors.js";
import type { IdentityProviders } from "./identity-providers.js";

const unknown = async () => {
  throw new DomainError("PROVIDER_NOT_FOUND", undefined, { field: "provider" });
};

/** Where no provider is configured, whichever is named is unknown. */
export const noProviders: IdentityProviders = { names: [], authorize: unknown, exchange: unknown };
