import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { theRegistry } from "../backend/backend.js";
import { flagOf, readConfig, SETTINGS, type SettingName, VERSION } from "../config.js";
import { tellError } from "./errors.js";

/** The command line. Each command's code is loaded when it is called. */
export async function main(argv: string[]): Promise<void> {
  const program = new Command("backstay")
    .description("A self-hosted app backend: accounts, messages and live events on one port.")
    .version(VERSION)
    .showHelpAfterError()
    .exitOverride();

  withSettings(program.command("dev").description("run for development: embedded database, demo accounts, one screen"))
    .option("--json", "print single JSON lines, also on a terminal")
    .option("--no-demo", "make no demo accounts")
    .action(async (flags) => {
      const { runDev } = await import("./dev.js");
      await runDev(configOf(flags, true), flags);
    });

  withSettings(program.command("serve").description("run in production: strict, no demo data, JSON logs on stderr"))
    .option("--json", "print single JSON lines, also on a terminal")
    .action(async (flags) => {
      const { runServe } = await import("./serve.js");
      await runServe(configOf(flags, false), flags);
    });

  program
    .command("cluster")
    .description("run several servers for development, on one PostgreSQL and one NATS of their own")
    .option("--nodes <count>", "how many", wholeNumber(2, 16), 2)
    .option("--port <port>", "the first one's port; 0 takes any free ones", wholeNumber(0, 65_000), 8000)
    .option("--home <folder>", "the home; the cluster is in a folder of it", ".backstay")
    .option("--json", "print single JSON lines, also on a terminal")
    .option("--no-demo", "make no demo accounts")
    .action(async (flags) => {
      const { runCluster } = await import("./cluster.js");
      await runCluster({ ...flags, home: resolve(flags.home) });
    });

  const user = program.command("user").description("accounts, through the running server");
  user
    .command("create")
    .argument("<login>", "what to sign in with")
    .description("make an account; its secret is read from standard input, or made up and printed once")
    .option("--admin", "give the role admin")
    .option("--name <name>", "the name shown to others; the login when absent")
    .option("--home <folder>", "the home of the running server")
    .option("--url <url>", "a server elsewhere, with BACKSTAY_KEY as its admin token")
    .option("--json", "print the account as JSON")
    .action(async (login, flags) => {
      const { createUser } = await import("./user-create.js");
      await createUser(login, { ...flags, home: configOf(flags, true).home, key: process.env.BACKSTAY_KEY });
    });

  program
    .command("openapi")
    .description("print the OpenAPI 3.1 document that the server answers at /openapi.json")
    .action(async () => {
      const { printOpenApi } = await import("./openapi.js");
      printOpenApi();
    });

  const signature = program.command("signature").description("requests signed with a secret");
  signature
    .command("check")
    .description("judge signed requests, one JSON object a line on standard input, and show what was to be signed")
    .action(async () => {
      const { checkSignatures } = await import("./signature-check.js");
      await checkSignatures(process.stdin, (line) => process.stdout.write(`${line}\n`));
    });

  try {
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = tellError(error);
  }
  // An app's own timers and connections must not keep alive what has ended.
  if (theRegistry().asked) process.exit();
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= least && number <= most) return number;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

function withSettings(command: Command): Command {
  for (const [name, { says }] of Object.entries(SETTINGS)) command.option(`--${flagOf(name)} <value>`, says);
  return command;
}

function configOf(options: Record<string, unknown>, development: boolean) {
  const flags: Partial<Record<SettingName, string>> = {};
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const value = options[flagOf(name).replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())];
    if (typeof value === "string") flags[name] = value;
  }
  return readConfig({ flags, env: process.env, cwd: process.cwd(), development });
}
