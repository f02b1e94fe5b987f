import type { TestProject } from "vitest/node";
import { migrate } from "../../server/platform/db/migrate.js";
import { startPostgres18 } from "./postgres.js";
import "./provided.js";

/** Starts the one PostgreSQL 18 that all test files share; each takes its databases from a migrated template. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres18();
  const template = await server.createDatabase();
  await migrate({ url: template.url });
  project.provide("postgres18", server.url);
  project.provide("template", template.name);
  return () => server.stop();
}
