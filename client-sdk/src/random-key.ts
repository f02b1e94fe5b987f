/** 128 random bits as 32 lower-case hex digits: a key that names one call and all its repeats. */
export function randomKey(): string {
  // Not crypto.randomUUID: pages on plain http other than localhost do not have it.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
