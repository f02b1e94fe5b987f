import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { theRegistry } from "../backend/backend.js";
import { flagOf, readConfig, SETTINGS, type SettingName, VERSION } from "../config.js";
import { milliseconds } from "../kernel/duration.js";
import { tellError } from "./errors.js";

const SIGNATURE_HELP = `
A line needs header (the signature), login, secret and host; method, path, query, contentType, body, now (in milliseconds; the
clock when it is not given) and transport (header, query, session or access-token) tell the rest. A JSON file with a list of
requests, or with one named cases, is taken as well. The exit code is 1 when something is no such request. Example:

{"header":"4||ada@example.com|9f3AIyxpIT4uUns+LG4+pGTakurpn9JJHb9Rr+hCl0Y=|1767225660000||","login":"ada@example.com","secret":"correct horse battery","method":"GET","host":"api.example.com","path":"/v1/messages","query":"since=2026-01-01T00:00:00Z&pageSize=2","now":1767225600000}`;

/** What names an account. */
const WHO = "login, id (id:ID is never a login) or verified e-mail address";

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
  withServer(user.command("create").argument("<login>", "what to sign in with"))
    .description("make an account; its secret is read from standard input, or made up and printed once")
    .option("--admin", "give the role admin")
    .option("--name <name>", "the name shown to others; the login when absent")
    .action(async (login, flags) => {
      const { createUser } = await import("./user-create.js");
      await createUser(login, ofServer(flags));
    });
  withServer(user.command("promote").argument("<account>", `who it is: ${WHO}`))
    .description("make an account an administrator")
    .action(async (login, flags) => {
      const { promoteUser } = await import("./user-role.js");
      await promoteUser(login, ofServer(flags));
    });
  withServer(user.command("demote").argument("<account>", `who it is: ${WHO}`))
    .description("take an administrator's rights away; the last one keeps them")
    .action(async (login, flags) => {
      const { demoteUser } = await import("./user-role.js");
      await demoteUser(login, ofServer(flags));
    });
  withServer(user.command("ban").argument("<account>", `who it is: ${WHO}`))
    .description("sign an account out everywhere, and let nobody sign in to it")
    .option("--reason <text>", "why, for the audit log")
    .action(async (login, flags) => {
      const { banUser } = await import("./user-status.js");
      await banUser(login, ofServer(flags));
    });
  withServer(user.command("unban").argument("<account>", `who it is: ${WHO}`))
    .description("lift a ban")
    .action(async (login, flags) => {
      const { unbanUser } = await import("./user-status.js");
      await unbanUser(login, ofServer(flags));
    });
  withServer(user.command("reset-totp").argument("<account>", `who it is: ${WHO}`))
    .description("turn off the authenticator of an account whose owner has lost it")
    .action(async (login, flags) => {
      const { resetTotp } = await import("./user-totp.js");
      await resetTotp(login, ofServer(flags));
    });

  const key = program
    .command("key")
    .description("the instance key, under which everything is sealed, and API keys of programs");
  key
    .command("rotate-master")
    .description("give the home a new instance key, and wait until the running server has sealed everything under it")
    .option("--home <folder>", "the home")
    .action(async (flags) => {
      const { rotateMaster } = await import("./key-rotate.js");
      await rotateMaster(configOf(flags, false));
    });
  key
    .command("status")
    .description("tell the instance key by its fingerprint, and whether the one before it is still needed")
    .option("--home <folder>", "the home")
    .option("--url <url>", "a server elsewhere, with BACKSTAY_KEY as its admin token")
    .option("--json", "print it as JSON")
    .action(async (flags) => {
      const { showKeyStatus } = await import("./key-status.js");
      await showKeyStatus(configOf(flags, false), { ...flags, key: process.env.BACKSTAY_KEY });
    });

  withServer(key.command("create"))
    .description("make an API key, which is printed this once: of the installation, or of an account")
    .option("--name <name>", "what it is for")
    .option("--scope <scope>", "what it may do, such as messages:read; may be given again; * when absent", collected)
    .option("--account <account>", `whom it acts for: ${WHO}; the installation's operator when absent`)
    .option("--expires <duration>", "when it ends, such as 90d; never when absent", durationOf)
    .action(async (flags) => {
      const { createKey } = await import("./key-create.js");
      await createKey(ofServer({ scope: ["*"], ...flags }));
    });
  withServer(key.command("list"))
    .description("list the API keys of the installation, or of an account")
    .option("--account <account>", `whose: ${WHO}; the installation's when absent`)
    .action(async (flags) => {
      const { listKeys } = await import("./key-list.js");
      await listKeys(ofServer(flags));
    });
  withServer(key.command("revoke").argument("<id>", "which; `key list` tells"))
    .description("end an API key")
    .action(async (id, flags) => {
      const { revokeKey } = await import("./key-revoke.js");
      await revokeKey(id, ofServer(flags));
    });

  const audit = program.command("audit").description("the log of what somebody may have to answer for");
  withServer(audit.command("verify"))
    .description("have the running server check that nothing in it was changed or taken away")
    .action(async (flags) => {
      const { verifyAudit } = await import("./audit-verify.js");
      await verifyAudit(ofServer(flags));
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
    .addHelpText("after", SIGNATURE_HELP)
    .action(async () => {
      const { checkSignatures } = await import("./signature-check.js");
      const allRead = await checkSignatures(process.stdin, (line) => process.stdout.write(`${line}\n`));
      if (!allRead) process.exitCode = 1;
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

/** A text that may be given again. */
function collected(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

function durationOf(text: string): number {
  const duration = milliseconds(text);
  if (duration !== undefined && duration > 0) return duration;
  throw new InvalidArgumentError("It must be a duration such as 90d or 12h.");
}

/** Gives a command what it finds the running server by, and how it answers. */
function withServer(command: Command): Command {
  return command
    .option("--home <folder>", "the home of the running server")
    .option("--url <url>", "a server elsewhere, with BACKSTAY_KEY as its admin token")
    .option("--json", "print JSON");
}

function ofServer<Flags extends Record<string, unknown>>(
  flags: Flags,
): Flags & { home: string; key: string | undefined } {
  return { ...flags, home: configOf(flags, true).home, key: process.env.BACKSTAY_KEY };
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
