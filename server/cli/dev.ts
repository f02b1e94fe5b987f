import { resolve } from "node:path";
import type { Overrides, Started } from "../app.js";
import type { Config } from "../config.js";
import { type Running, runServer } from "../main.js";
import { loadAppCode, runWithCode } from "./app-code.js";
import type { DemoAccount } from "./demo.js";
import { ONE_PROCESS } from "./serve.js";
import { explainStart } from "./start-errors.js";

/** Runs the server for development, with the app of this folder if there is one. */
export async function runDev(config: Config, flags: DevFlags): Promise<void> {
  await runWithCode(await loadAppCode(process.cwd()), (declared) => startDev(config, flags, declared));
}

interface DevFlags {
  json?: true;
  demo: boolean;
}

/** Starts the server and shows how to use it. Tokens go to the screen only, never to the log. */
export async function startDev(config: Config, flags: DevFlags, overrides?: Overrides): Promise<Running> {
  const began = performance.now();
  const running = await runServer(config, overrides).catch((error) => explainStart(error, config));
  const { started } = running;
  if (config.workers > 1) started.notes.push(ONE_PROCESS);
  const demo = flags.demo ? await signInOrNote(started.url, config.home, started.notes) : [];
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  if (flags.json || !process.stdout.isTTY) {
    console.log(JSON.stringify(facts(config, started, demo)));
  } else {
    console.log(screen(config, started, demo, seconds));
  }
  console.log(flags.json ? JSON.stringify({ ready: true, url: started.url }) : `backstay ready ${started.url}`);
  return running;
}

/** The demo accounts; what keeps them from signing in is a note on the screen, not the end of the server. */
async function signInOrNote(url: string, home: string, notes: string[]): Promise<DemoAccount[]> {
  try {
    // It brings the client, which a server itself has no use for.
    const { signInDemo } = await import("./demo.js");
    return await signInDemo(url, home);
  } catch (error) {
    notes.push(`no demo accounts: ${(error as Error).message}`);
    return [];
  }
}

function facts(config: Config, started: Started, demo: DemoAccount[]) {
  const { url, database, bus, setupUrl, notes } = started;
  const inbox = inboxUrl(config, url);
  return { version: config.version, url, database, bus, home: config.home, inbox, notes, setupUrl, demo };
}

/** Where mails are shown; undefined when they are sent. */
function inboxUrl(config: Config, url: string): string | undefined {
  return config["mail.smtp_url"] === "" ? `${url}/inbox` : undefined;
}

function screen(config: Config, started: Started, demo: DemoAccount[], seconds: string): string {
  const { url, database, bus, setupUrl, notes } = started;
  const inbox = inboxUrl(config, url);
  const [ada, ben] = demo;
  const lines = [
    "",
    `  backstay ${config.version}   development   ready in ${seconds} s`,
    "",
    `  API      ${url}   Connect, gRPC, gRPC-Web and REST`,
    `  Data     ${database}`,
    `           reset: stop the server, then remove ${config.home}`,
    ...(config["nats.url"] === "" ? [] : [`  Bus      ${bus}`]),
    `  Log      ${config["log.file"] || `${config.home}/log/backstay.log`}`,
    ...(inbox ? [`  Mail     ${inbox}`] : []),
    ...notes.map((note) => `  Note     ${note}`),
    ...(setupUrl ? [`  Admin    ${setupUrl}   (works once, for 30 minutes)`] : []),
    `  ${setupUrl ? "      or" : "Admin   "} npx backstay user create --admin LOGIN${homeFlag(config)}`,
    "",
  ];
  if (ada && ben) {
    lines.push(
      `  Demo     ada  ${ada.token}`,
      `           ben  ${ben.token}   (tokens last 15 minutes; a restart prints new ones)`,
      "",
      "  Ben's live events, in a second terminal:",
      `    curl -N ${url}/v1/events:subscribe -H 'accept: application/x-ndjson' -H 'authorization: Bearer ${ben.token}'`,
      "",
      "  Ada writes to Ben:",
      `    curl -s ${url}/v1/messages -H 'authorization: Bearer ${ada.token}' -H 'content-type: application/json' -d '{"recipientId":"${ben.id}","text":"Hello Ben"}'`,
      "",
    );
  }
  return lines.join("\n");
}

/** What a command beside the server needs to find it. */
function homeFlag({ home }: Config): string {
  return home === resolve(".backstay") ? "" : ` --home ${home}`;
}
