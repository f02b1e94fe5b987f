import { runJobProcess } from "../app/job-process.js";
import { type Hosted, theRegistry } from "../backend/backend.js";
import { loadAppFile } from "./app-code.js";

/** Runs the app's jobs for the server that started this process or thread. */
export async function runJobWorker(): Promise<void> {
  // The terminal and the system tell every process of a group: the server decides.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => {});
  await runJobProcess({ load, end: () => process.exit(0) });
}

/** What comes after `app.start()` in the app's file is for servers: here it never resolves. */
async function load(appFile: string) {
  const { declared, failed } = await loadAppFile(appFile);
  failed.catch((error) => {
    throw error;
  });
  return {
    jobs: declared.jobs,
    attach: (control: Hosted["control"]) => theRegistry().attach({ control, stop: refuseToStop }),
  };
}

async function refuseToStop(): Promise<never> {
  throw new Error("app.stop: a job cannot stop the server");
}
