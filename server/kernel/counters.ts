/** What an app says of a counter. */
export interface CounterOptions {
  /** Whether everyone may see it and, when it is not derived, raise it; false when left out. */
  readonly public?: boolean;
}

/** A counter that is known by name. */
export interface CounterDeclaration {
  readonly name: string;
  readonly public: boolean;
  /** Whether it follows rows, so that nobody writes it. */
  readonly derived: boolean;
}

/** The counters of this installation: the built-in ones and those of its app. */
export interface Counters {
  /**
   * Declares a counter of the app's own, or makes a derived one public. Throws when the name is malformed, ends in 0 or 1 without
   * being one of connections, or stands already.
   */
  declare(name: string, options?: CounterOptions): void;
  /** A counter by its name; derived ones of any type of connection are known, others only when they were declared. */
  find(name: string): CounterDeclaration | undefined;
  /** Those that are shown even when they are 0, by name. */
  all(): readonly CounterDeclaration[];
}

/** Types of connections whose counters are always shown. */
export const BUILT_IN_TYPES: readonly string[] = ["like", "dislike", "follow", "invite", "view"];

const OF_MESSAGES: readonly string[] = ["msg_count", "msg_read"];
const NAME = /^[a-z][a-z0-9_]{0,62}$/;
/** What connections of a type are counted by: made, and received. */
const OF_CONNECTIONS = /^[a-z][a-z0-9_]{0,31}[01]$/;

/** Whether a counter of this name follows rows. */
export function isDerived(name: string): boolean {
  return OF_CONNECTIONS.test(name) || OF_MESSAGES.includes(name);
}

/** The built-in counters. */
export function declaredCounters(): Counters {
  const known = new Map<string, CounterDeclaration>();
  const own = new Set<string>();
  let sorted: readonly CounterDeclaration[] | undefined;
  const add = (name: string, isPublic: boolean) => {
    known.set(name, { name, public: isPublic, derived: isDerived(name) });
    sorted = undefined;
  };
  add("ping", true);
  for (const type of BUILT_IN_TYPES) for (const side of ["0", "1"]) add(type + side, false);
  for (const name of OF_MESSAGES) add(name, false);
  return {
    declare(name, options = {}) {
      if (typeof name !== "string" || !NAME.test(name)) {
        throw new Error(`counter ${name}: use small letters, digits and underscores, at most 63`);
      }
      if (/[01]$/.test(name) && !isDerived(name)) {
        throw new Error(`counter ${name}: names that end in 0 or 1 are those of connections`);
      }
      if (own.has(name) || name === "ping") throw new Error(`counter ${name}: declared already`);
      checkOptions(name, options);
      own.add(name);
      add(name, options.public ?? false);
    },
    find: (name) => known.get(name) ?? (OF_CONNECTIONS.test(name) ? { name, public: false, derived: true } : undefined),
    all: () => {
      sorted ??= [...known.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
      return sorted;
    },
  };
}

/** Apps may be written without types, where a slip must not show a counter, or hide it. */
function checkOptions(name: string, options: CounterOptions): void {
  if (typeof options !== "object" || options === null) throw new Error(`counter ${name}: its options are an object`);
  for (const [option, value] of Object.entries(options)) {
    if (option !== "public") throw new Error(`counter ${name}: there is no option ${option}`);
    if (value !== undefined && typeof value !== "boolean") {
      throw new Error(`counter ${name}: public must be true or false`);
    }
  }
}
