/** An event as the predecessor writes it. The order of the keys is part of the form: patterns are tried on its text. */
export interface CompatEvent {
  path: string;
  /** Milliseconds since 1970. */
  mtime: number;
  type: string;
}

/** What the form is made of: an event's type, its time in milliseconds, and its data. */
export interface CompatSource {
  readonly type: string;
  readonly time: number;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Where an event happened as a path: `/message/add` of `message.add`. */
export function eventPath(type: string): string {
  return `/${type.replaceAll(".", "/")}`;
}

/** An event as the predecessor writes it. */
export function compatEvent({ type, time, data }: CompatSource): CompatEvent {
  return { path: eventPath(type), mtime: time, type: compatType(type, data) };
}

/**
 * What the predecessor calls an event's type: the kind of a connection or of what is remembered, the counters that rose, 1 for a
 * message with an image.
 */
function compatType(type: string, data: CompatSource["data"]): string {
  if (type === "message.add") return data.imageUrl ? "1" : "";
  if (type.startsWith("connection.") || type === "history.add") return typeof data.type === "string" ? data.type : "";
  if (type === "counter.incr") return Object.keys(data.deltas ?? {}).join(",");
  return "";
}
