import { Access } from "#gen/backstay/options/v1/options_pb.js";
import { Health } from "#gen/grpc/health/v1/health_pb.js";
import { type Config, ConfigError, type SettingName } from "../config.js";
import { REFLECTION } from "../http/grpc/reflection.js";
import { type AccessRules, noSuchRpc } from "../kernel/access-rules.js";
import type { DeclaredHooks, Hooks } from "../kernel/hooks.js";
import { didYouMean } from "../kernel/nearest.js";
import type { Manifest, Served } from "../manifest.js";
import { wrongRule } from "../rpc/access.js";
import { methodTable } from "../rpc/methods.js";

/** What an installation serves, and who may call it. */
export interface Serving {
  readonly services: readonly Served[];
  readonly rules: AccessRules;
  /** Names of the services that are switched off. */
  readonly disabled: ReadonlySet<string>;
  /** Whether WebSockets are opened: the domain of events answers most of what is said there. */
  readonly hasSockets: boolean;
  /** Undefined when the app has none. */
  readonly hooks: Hooks | undefined;
}

/** Without these nobody could sign in, or find out what is there. */
const NEEDED = ["system", "accounts", "auth"];

/** Domains of the predecessor that a configuration may switch off before there is anything to switch off. */
const OF_OLD = ["connections", "counters", "data", "history", "images", "locations"];

/** Reads what the configuration and the app say of access. Throws ConfigError, or an Error that names the hook. */
export function servingOf(config: Config, domains: readonly Manifest[], declared: DeclaredHooks | undefined): Serving {
  const off = disabledDomains(config, domains);
  const rules = { deny: config["access.deny"], admin: config["access.admin"], public: config["access.public"] };
  const rpcs = rpcsOf(domains);
  const wrong = wrongRule(rules, rpcs);
  if (wrong !== undefined) throw refused(config, `access.${wrong.rule}`, wrong.says);
  const hooks = declared?.all();
  checkHooks(
    hooks,
    rpcs.map(({ name }) => name),
  );
  const switchedOff = domains.filter(({ name }) => off.has(name)).flatMap(({ services }) => services);
  return {
    services: domains.filter(({ name }) => !off.has(name)).flatMap(({ services }) => services),
    rules,
    disabled: new Set(switchedOff.map(({ descriptor }) => descriptor.typeName)),
    hasSockets: !off.has("events"),
    hooks,
  };
}

function disabledDomains(config: Config, domains: readonly Manifest[]): ReadonlySet<string> {
  const disabled = config["access.disable"];
  const names = domains.map(({ name }) => name);
  for (const name of disabled) {
    if (NEEDED.includes(name)) throw refused(config, "access.disable", `the server itself needs ${name}`);
    if (names.includes(name) || OF_OLD.includes(name)) continue;
    throw refused(config, "access.disable", `there is no domain ${name}${didYouMean(name, names)}`);
  }
  return new Set(disabled);
}

/** What stops the start, with the place where the setting was said. */
function refused(config: Config, setting: SettingName, says: string): ConfigError {
  return new ConfigError(`${config.sources[setting]}: ${setting}: ${says}`);
}

/** Every RPC there is, of domains that are switched off too: a rule about one of them is no mistake. */
function rpcsOf(domains: readonly Manifest[]): { name: string; access: Access }[] {
  const ours = [...methodTable(domains.flatMap(({ services }) => services)).values()];
  const tools = [Health, ...REFLECTION].flatMap(({ typeName, methods }) =>
    methods.map(({ name }) => ({ name: `${typeName}/${name}`, access: Access.PUBLIC })),
  );
  return [...ours, ...tools];
}

function checkHooks(hooks: Hooks | undefined, names: readonly string[]): void {
  for (const { name, rpcs } of Object.values(hooks ?? {}).flat()) {
    if (rpcs !== undefined && !names.some(rpcs.matches))
      throw new Error(`app.${name}: ${noSuchRpc(rpcs.source, names)}`);
  }
}
