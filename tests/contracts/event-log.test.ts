import { afterAll, beforeAll, describe } from "vitest";
import { migrate } from "../../server/platform/db/migrate.js";
import { startNats, type TestNats } from "../support/nats.js";
import { startEventNode } from "./event-nodes.js";
import { exerciseEventLog } from "./exercise-event-log.js";
import { SERVERS, type Server } from "./servers.js";

describe.each(SERVERS)("the event log over %s", (_, open) => {
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

  describe("found by looking", () => exerciseEventLog(openDatabase, startEventNode));

  describe("carried by NATS", () => {
    let nats: TestNats;
    beforeAll(async () => {
      nats = await startNats();
    });
    afterAll(() => nats?.stop());

    exerciseEventLog(openDatabase, (url) => startEventNode(url, { url: nats.url, prefix: "log" }));
  });
});
