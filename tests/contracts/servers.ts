import { inject } from "vitest";
import { createDatabaseOn, startPostgres15, type TestDatabase } from "../support/postgres.js";
import "../support/provided.js";

/** A PostgreSQL that the promises are tried on. */
export interface Server {
  readonly url: string;
  createDatabase(template?: string): Promise<TestDatabase>;
  stop(): Promise<void>;
}

/** Every PostgreSQL that Backstay promises to run on, newest first. */
export const SERVERS: [name: string, open: () => Promise<Server>][] = [
  ["PostgreSQL 18", async () => serverOfTheRun()],
  ["PostgreSQL 15", startPostgres15],
];

function serverOfTheRun(): Server {
  const url = inject("postgres18");
  return { url, createDatabase: (template) => createDatabaseOn(url, template), stop: async () => {} };
}
