import { startBackstay, type TestBackstay } from "../support/backstay.js";
import { startPostgres15 } from "../support/postgres.js";

/** A server, and what stops it with its database. */
interface Opened {
  readonly backstay: TestBackstay;
  stop(): Promise<void>;
}

/** A server on each PostgreSQL that plans are looked at: the one it brings along, and the oldest that is taken. */
export const EACH_POSTGRES: readonly [name: string, open: () => Promise<Opened>][] = [
  [
    "the database it brings along",
    async () => {
      const backstay = await startBackstay();
      return { backstay, stop: () => backstay.stop() };
    },
  ],
  [
    "the oldest PostgreSQL that is taken",
    async () => {
      const server = await startPostgres15();
      const backstay = await startBackstay({ "database.url": (await server.createDatabase()).url });
      return { backstay, stop: () => backstay.stop().then(() => server.stop()) };
    },
  ],
];
