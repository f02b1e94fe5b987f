/** What domains may know of the configuration, without knowing where it came from. Durations in milliseconds. */
export interface Settings {
  readonly version: string;
  readonly development: boolean;
  readonly accounts: { readonly openRegistration: boolean };
  readonly auth: {
    /** Fewest characters of a new secret. */
    readonly secretMinLength: number;
    readonly accessTtl: number;
    readonly refreshIdleTtl: number;
    readonly refreshMaxTtl: number;
    /** How long an exchanged refresh token still answers its child. */
    readonly refreshGrace: number;
  };
  readonly events: {
    readonly heartbeat: number;
    /** How long a stream lives before its goodbye, give or take a fifth. */
    readonly streamTtl: number;
    readonly retention: number;
    readonly retentionPerTopic: number;
    /** Streams an account may have open. */
    readonly streamsPerAccount: number;
  };
}
