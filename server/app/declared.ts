import type { JobCtx, Ports } from "../context.js";
import { declaredJobs } from "../kernel/declared-jobs.js";
import type { DeclaredJobs, JobContext } from "../kernel/jobs.js";
import { type DeclaredWebhooks, declaredWebhooks, type Webhook } from "../kernel/webhooks.js";
import type { DomainJob, Manifest } from "../manifest.js";

/** The jobs and crons of an app, and those of the domains, whose jobs get the ports that are there once the house is put together. */
export function allJobs(app: DeclaredJobs | undefined, domains: readonly Manifest[], ports: () => Ports): DeclaredJobs {
  const all = declaredJobs();
  for (const job of app?.all() ?? []) all.declare(job);
  for (const cron of app?.crons() ?? []) all.declareCron(cron);
  for (const { cron, ...job } of domains.flatMap(({ jobs = [] }) => jobs)) {
    all.declare({ ...job, inside: true, run: (args, ctx) => job.run(args, withPorts(ports(), ctx)) });
    if (cron !== undefined) all.declareCron(cronOf(job.name, cron));
  }
  return all;
}

/** What the server does by the clock for itself is not made up for. */
function cronOf(name: DomainJob["name"], expression: string) {
  const rest = { timeZone: "UTC", args: {}, queue: undefined, missed: "skip" } as const;
  return { id: name, expression, job: name, ...rest };
}

function withPorts(ports: Ports, { log: _, ...job }: JobContext): JobCtx {
  return Object.assign(Object.create(ports) as Ports, job);
}

/** The webhooks of an app and those of the configuration. */
export function allWebhooks(app: DeclaredWebhooks | undefined, configured: readonly Webhook[]): DeclaredWebhooks {
  const all = declaredWebhooks();
  for (const webhook of [...(app?.all() ?? []), ...configured]) all.add(webhook);
  return all;
}
