/** Whether pages of an origin may call this server, and with its cookie. */
export type IsAllowedOrigin = (origin: string) => boolean;

const LOOPBACK = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/;

/** The origins that are listed, by comma; in development every loopback origin besides. */
export function allowedOrigins(options: { origins: string; development: boolean }): {
  isAllowed: IsAllowedOrigin;
  /** Whether there is any. */
  any: boolean;
} {
  const listed = new Set(options.origins.split(",").map((origin) => origin.trim()));
  listed.delete("");
  // What sandboxed frames and files call themselves: anyone can be that.
  listed.delete("null");
  return {
    isAllowed: (origin) => listed.has(origin) || (options.development && LOOPBACK.test(origin)),
    any: listed.size > 0 || options.development,
  };
}
