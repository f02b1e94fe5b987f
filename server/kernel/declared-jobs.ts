import type { CronDeclaration, DeclaredJobs, JobDeclaration } from "./jobs.js";

const NAME = /^(?=.{1,100}$)[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+){0,7}$/;
const QUEUE = /^[a-z][a-z0-9_-]{0,62}$/;

/** An empty list of jobs and crons. */
export function declaredJobs(): DeclaredJobs {
  const jobs = new Map<string, JobDeclaration>();
  const crons = new Map<string, CronDeclaration>();
  return {
    declare(job) {
      const { name, queue } = job;
      if (!NAME.test(name)) throw new Error(`job ${name}: write its name as app.processUsers`);
      if (!QUEUE.test(queue)) throw new Error(`job ${name}: a queue's name is lower-case letters, digits, - and _`);
      if (jobs.has(name)) throw new Error(`job ${name}: declared already`);
      jobs.set(name, job);
    },
    find: (name) => jobs.get(name),
    all: () => [...jobs.values()],
    declareCron(cron) {
      const { id, queue } = cron;
      if (!NAME.test(id)) throw new Error(`cron ${id}: write its id as app.cleanup`);
      if (queue !== undefined && !QUEUE.test(queue)) {
        throw new Error(`cron ${id}: a queue's name is lower-case letters, digits, - and _`);
      }
      if (crons.has(id)) throw new Error(`cron ${id}: declared already`);
      crons.set(id, cron);
    },
    crons: () => [...crons.values()],
  };
}
