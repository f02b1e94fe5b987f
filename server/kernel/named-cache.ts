/** A cache that the configuration names, for the app's own values. */
export interface NamedCache {
  /** Most keys. */
  readonly max: number;
  /** Milliseconds a value is kept when nobody says; undefined is until it is changed or goes for room. */
  readonly ttlMs: number | undefined;
  /** Whether a value that is put is sent to the other nodes too. */
  readonly sync: boolean;
}
