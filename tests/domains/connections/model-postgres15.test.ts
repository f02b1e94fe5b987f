import { startPostgres15 } from "../../support/postgres.js";
import { openModelHouse } from "./model-house.js";
import { holdsOn } from "./model-property.js";

// On the oldest PostgreSQL that is taken, with as many connections as commands come at once.
holdsOn(async () => {
  const server = await startPostgres15();
  const data = await server.createDatabase();
  const house = await openModelHouse({ "database.url": data.url, "database.pool_size": "16" });
  return {
    ...house,
    async stop() {
      await house.stop();
      await server.stop();
    },
  };
});
