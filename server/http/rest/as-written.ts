import type { Binding } from "./bindings.js";
import { DomainError } from "./house.js";

/**
 * An error as whoever wrote the body reads it: where that is one field of the request, what stands inside of it is named from the
 * body down, `name` in place of `account.name`. What a query names stays as it is there.
 */
export function asWritten({ body }: Binding, url: string | undefined, error: DomainError): DomainError {
  if (typeof body === "string") return error;
  const prefix = `${body.jsonName}.`;
  const query = new URLSearchParams(url?.split("?", 2)[1]);
  const inside = error.fields
    .map(({ field }) => field)
    .filter((field) => field.startsWith(prefix) && !query.has(field));
  if (inside.length === 0) return error;
  const shorter = (text: string) =>
    inside.reduce((left, field) => left.replaceAll(field, field.slice(prefix.length)), text);
  const fields = error.fields.map(({ field, description }) => ({
    field: shorter(field),
    description: shorter(description),
  }));
  const { reason, kind, metadata, retryAfterMs, cause } = error;
  return new DomainError(reason, shorter(error.message), {
    fields,
    metadata: { ...metadata },
    kind,
    cause,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}
