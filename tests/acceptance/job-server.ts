import { readFileSync } from "node:fs";
import { join } from "node:path";
import { call } from "../support/backstay.js";
import { type HowToRun, type Server, startServer } from "./server-process.js";

/** A job as JobService answers it. */
export interface Job {
  id: string;
  state: string;
  attempts: number;
  result?: unknown;
  progress?: unknown;
  lastError?: string;
}

/** An administrator's words to the jobs of a server. */
export interface Jobs {
  submit(name: string, args?: object): Promise<string>;
  /** Submits several in one commit. */
  submitAll(jobs: readonly { name: string; args?: object; runAt?: string }[]): Promise<string[]>;
  job(id: string): Promise<Job>;
  /** Resolves with the job when it is in one of these states. */
  until(id: string, ...states: string[]): Promise<Job>;
  cancel(id: string): Promise<void>;
}

const FINISHED = ["SUCCEEDED", "DEAD", "CANCELLED"];

/** How a server is run in a folder, again and again as the same installation. */
export function howToServe(cwd: string, databaseUrl: string): HowToRun {
  return { cwd, env: { DATABASE_URL: databaseUrl, BACKSTAY_SECRET: "ab".repeat(32) } };
}

/** Starts a `backstay serve` in a folder. */
export async function serveJobs(cwd: string, databaseUrl: string, flags: string[]): Promise<Server & Jobs> {
  const words = ["serve", "--port", "0", "--limits-rate", "off", ...flags];
  const server = await startServer(words, howToServe(cwd, databaseUrl));
  return { ...server, ...jobsOf(server.url, cwd) };
}

/** Speaks to the server of a folder, which is ready. */
export function jobsOf(url: string, cwd: string): Jobs {
  const token = readFileSync(join(cwd, ".backstay/etc/admin.token"), "utf8").trim();
  const ask = async (method: string, body: object) => {
    const { status, json } = await call(url, `jobs.v1.JobService/${method}`, body, {
      authorization: `Bearer ${token}`,
    });
    if (status !== 200) throw new Error(`${method}: ${JSON.stringify(json)}`);
    return json;
  };
  const job = async (id: string) => (await ask("GetJob", { id })).job as Job;
  return {
    submit: async (name, args = {}) => ((await ask("SubmitJob", { name, args })).job as Job).id,
    submitAll: async (jobs) => ((await ask("SubmitJobs", { jobs })).jobs as { job: Job }[]).map(({ job }) => job.id),
    job,
    cancel: async (id) => void (await ask("CancelJob", { id })),
    async until(id, ...states) {
      const wanted = (states.length === 0 ? FINISHED : states).map((state) => `JOB_STATE_${state}`);
      for (;;) {
        const found = await job(id);
        if (wanted.includes(found.state)) return found;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
  };
}
