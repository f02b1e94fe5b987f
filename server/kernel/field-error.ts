import { DomainError, REASONS, type Reason } from "./errors.js";

/**
 * The error that one field is in. Its message begins with the field, as that of a shape that does not fit: some doors show nothing
 * else of an error.
 */
export function fieldError(reason: Reason, field: string, description: string = REASONS[reason][1]): DomainError {
  return new DomainError(reason, `${field}: ${description}`, { fields: [{ field, description }] });
}
