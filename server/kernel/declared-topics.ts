import type { Topic, TopicCaller, TopicRule, TopicRules, Topics } from "./topics.js";

const SEGMENT = "([A-Za-z0-9._-]{1,64})";
const PATTERN = /^[a-z][a-z0-9_-]{0,31}(\/([A-Za-z0-9._-]{1,64}|\{[a-z][A-Za-z0-9_]{0,31}\})){1,4}$/;
/** The topics of accounts and of the server itself. */
const RESERVED = /^(account|system)\//;

const ASKED = ["subscribe", "publish", "history"] as const;
type Asked = (typeof ASKED)[number];

interface Declared {
  readonly pattern: string;
  readonly name: RegExp;
  readonly parameters: readonly string[];
  readonly rules: TopicRules;
}

/** An empty list of topics. Of two patterns that fit a name the one declared first counts. */
export function declaredTopics(): Topics {
  const declared = new Map<string, Declared>();
  return {
    declare(pattern, rules) {
      if (!PATTERN.test(pattern)) throw new Error(`topic ${pattern}: write it as room/{id}, of 2 to 5 parts`);
      if (RESERVED.test(pattern)) throw new Error(`topic ${pattern}: account/ and system/ are the server's own`);
      if (declared.has(pattern)) throw new Error(`topic ${pattern}: declared already`);
      checkRules(pattern, rules);
      const parameters = [...pattern.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
      if (new Set(parameters).size < parameters.length) throw new Error(`topic ${pattern}: a parameter stands twice`);
      const name = pattern.replace(/[.]/g, "\\.").replace(/\{\w+\}/g, SEGMENT);
      // reason: the pattern is the app's own, and of a form in which nothing but its dots means anything
      declared.set(pattern, { pattern, name: new RegExp(`^${name}$`), parameters, rules: { ...rules } });
    },
    find(topic) {
      for (const found of declared.values()) {
        const parts = found.name.exec(topic);
        if (parts !== null) {
          const params = Object.fromEntries(found.parameters.map((name, n) => [name, parts[n + 1]!]));
          return toTopic(found, Object.freeze(params));
        }
      }
      return undefined;
    },
  };
}

/** Apps may be written without types, where a slip must not open a topic. */
function checkRules(pattern: string, rules: TopicRules): void {
  for (const [name, rule] of Object.entries(rules)) {
    const isRule = (ASKED as readonly string[]).includes(name);
    if (!isRule && name !== "presence") throw new Error(`topic ${pattern}: there is no rule ${name}`);
    if (rule === undefined || typeof rule === "boolean" || (isRule && typeof rule === "function")) continue;
    throw new Error(`topic ${pattern}: ${name} must be true or false${isRule ? ", or a function" : ""}`);
  }
}

function toTopic({ pattern, rules }: Declared, params: Readonly<Record<string, string>>): Topic {
  return {
    presence: rules.presence ?? false,
    may: (what, caller) => ask(pattern, what, rules[what] ?? what === "history", caller, params),
  };
}

/** Only `true` lets anybody in. A rule that fails is the app's defect: the error goes on, and is one of the server's own. */
async function ask(
  pattern: string,
  what: Asked,
  rule: boolean | TopicRule,
  caller: TopicCaller,
  params: Readonly<Record<string, string>>,
): Promise<boolean> {
  if (typeof rule !== "function") return rule;
  try {
    return (await rule(caller, params)) === true;
  } catch (error) {
    throw new Error(`the rule ${what} of the topic ${pattern} failed`, { cause: error });
  }
}
