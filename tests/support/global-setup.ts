import type { TestProject } from "vitest/node";
import { startPostgres18 } from "./postgres.js";
import "./provided.js";

/** Starts the one PostgreSQL 18 that all test files share; each takes its databases from it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres18();
  project.provide("postgres18", server.url);
  return () => server.stop();
}
