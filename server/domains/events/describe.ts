/** What the log says of an error. */
export function describe(error: unknown): object {
  if (!(error instanceof Error)) return {};
  return { error: error.name, message: error.message, stack: error.stack };
}
