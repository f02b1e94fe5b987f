import { fieldError } from "../../kernel/field-error.js";

/** Throws INVALID_FIELD, naming `field`, for what is neither empty nor a day that the calendar has, as YYYY-MM-DD. */
export function checkBirthday(text: string, field: string): void {
  if (text !== "" && !isDate(text)) throw fieldError("INVALID_FIELD", field, "must be a date such as 1815-12-10");
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  // A day that its month does not have would be one of the next.
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}
