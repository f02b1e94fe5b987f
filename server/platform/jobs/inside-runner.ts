import type { DeclaredJobs } from "../../kernel/jobs.js";
import type { Database } from "../db/db.js";
import { attemptJob } from "./attempt.js";
import type { Runner } from "./runner.js";
import type { Submit } from "./submit.js";

export interface InsideRunnerParts {
  declared: DeclaredJobs;
  /** Where the jobs' transactions run; to have connections for `size` of them. */
  transactions: Database;
  size: number;
  submit: Submit;
}

/** Runs jobs in this process: many at once as long as they wait, and one that computes holds up everything else. */
export function insideRunner({ declared, transactions, size, submit }: InsideRunnerParts): Runner {
  return {
    size,
    async start() {},
    async stop() {},
    async run(job, line) {
      line.began?.();
      return attemptJob({ declaration: declared.find(job.name)!, job, line, transactions, submit });
    },
  };
}
