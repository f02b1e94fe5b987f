/** Whoever asks something of a topic, as its rules see him. */
export interface TopicCaller {
  readonly accountId: string;
  readonly roles: readonly string[];
}

/** Decides about a caller and the parameters of the topic's name: `room/{id}` of `room/7` has the `id` `7`. */
export type TopicRule = (caller: TopicCaller, params: Readonly<Record<string, string>>) => boolean | Promise<boolean>;

/** What an app says of its topics. Whatever is left out is allowed to nobody but administrators and the app itself. */
export interface TopicRules {
  /** Who may follow it: `true` is every account. */
  readonly subscribe?: boolean | TopicRule;
  /** Who may publish to it by the API. */
  readonly publish?: boolean | TopicRule;
  /**
   * Who of its followers may read what happened before he came, and resume; when left out, all of them. To the others a
   * cursor is answered by a gap and what happens from then on.
   */
  readonly history?: boolean | TopicRule;
  /** Whether its followers are listed, and told when one comes or goes. */
  readonly presence?: boolean;
}

/** A topic by one of the names that were declared. */
export interface Topic {
  readonly presence: boolean;
  /** Answers a rule; `false` when the app said nothing. */
  may(what: "subscribe" | "publish" | "history", caller: TopicCaller): Promise<boolean>;
}

/** The topics that apps have declared. */
export interface Topics {
  /** Declares the names of a pattern such as `room/{id}`. Throws when it is malformed, reserved or declared already. */
  declare(pattern: string, rules: TopicRules): void;
  find(name: string): Topic | undefined;
}
