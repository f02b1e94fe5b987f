import { afterAll, beforeAll, describe } from "vitest";
import { postgresDatabase } from "../../server/platform/db/postgres.js";
import { exerciseDatabase } from "./exercise-database.js";
import { SERVERS, type Server } from "./servers.js";

describe.each(SERVERS)("the database port over %s", (_, open) => {
  let server: Server;
  beforeAll(async () => {
    server = await open();
  });
  afterAll(() => server?.stop());

  exerciseDatabase(
    async () => {
      const { url, drop } = await server.createDatabase();
      return { url, close: drop };
    },
    (url, limits) => postgresDatabase({ target: { url }, ...limits }),
  );
});
