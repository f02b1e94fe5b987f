import { afterAll, beforeAll, describe } from "vitest";
import { migrate } from "../../server/platform/db/migrate.js";
import { postgresQueue } from "../../server/platform/queue/postgres.js";
import { exerciseQueue } from "./exercise-queue.js";
import { SERVERS, type Server } from "./servers.js";

describe.each(SERVERS)("the queue of %s", (_, open) => {
  let server: Server;
  beforeAll(async () => {
    server = await open();
  });
  afterAll(() => server?.stop());

  const openDatabase = async () => {
    const { url, drop } = await server.createDatabase();
    await migrate({ url });
    return { url, close: drop };
  };

  exerciseQueue(openDatabase, async ({ bus }) => ({ queue: postgresQueue({ bus }), close: async () => {} }));
});
