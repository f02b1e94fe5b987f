import type { Config } from "../config.js";
import { runServer } from "../main.js";
import { explainStart } from "./start-errors.js";

/** Runs the server until a signal ends it; prints what it uses and then the ready line. */
export async function runServe(config: Config, flags: { json?: true }): Promise<void> {
  const { started, ended } = await runServer(config).catch((error) => explainStart(error, config));
  const { url, database, notes, setupUrl } = started;
  if (flags.json || !process.stdout.isTTY) {
    console.log(JSON.stringify({ version: config.version, database, bus: "in-process", notes, setupUrl }));
  } else {
    console.log(`backstay ${config.version}\n  database  ${database}\n  bus       in-process`);
    for (const note of notes) console.log(`  note      ${note}`);
    if (setupUrl) console.log(`  admin     ${setupUrl}   (works once, for 30 minutes)`);
  }
  console.log(flags.json ? JSON.stringify({ ready: true, url }) : `backstay ready ${url}`);
  await ended;
}
