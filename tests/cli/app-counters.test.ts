import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { makeAppFolder } from "../acceptance/app-folder.js";
import { howToServe, jobsOf } from "../acceptance/job-server.js";
import { cleanUp, startServer } from "../acceptance/server-process.js";
import { call } from "../support/backstay.js";
import { createDatabaseOn, type TestDatabase } from "../support/postgres.js";
import "../support/provided.js";

const APP = `
import { backend } from "backstay";

const app = backend();
app.counter("score", { public: true });
app.counter("follow1", { public: true });
app.job("app.after", () => "done where the counters are declared too");
await app.start();
`;

let data: TestDatabase;
beforeAll(async () => {
  data = await createDatabaseOn(inject("postgres18"), inject("template"));
});
afterAll(async () => {
  await cleanUp();
  await data?.drop();
});

it.each([
  ["dev", ["dev", "--port", "0", "--no-demo"], {}],
  ["serve, of two workers", ["serve", "--port", "0", "--limits-rate", "off"], { BACKSTAY_WORKERS: "2" }],
])(
  "counters that an app declares are those of the server, and its job workers take the file as well: %s",
  async (_, words, env) => {
    const folder = await makeAppFolder({ "app.ts": APP });
    const how = howToServe(folder, data.url);
    const server = await startServer(words, { ...how, env: { ...how.env, ...env } });
    const token = readFileSync(join(folder, ".backstay/etc/admin.token"), "utf8").trim();
    const ask = async (method: string, body: object) => {
      const answer = await call(server.url, method, body, { authorization: `Bearer ${token}` });
      return answer.json;
    };

    const login = `somebody by ${words[0]}`;
    const person = { login, secret: "long enough", name: "Somebody" };
    const { account } = await ask("accounts.v1.AccountService/CreateAccount", person);
    const accountId = (account as { id: string }).id;
    // Each worker knows it, whichever answers.
    for (const sum of ["2", "4", "6", "8"]) {
      const raised = await ask("counters.v1.CounterService/IncrementCounters", { accountId, deltas: { score: "2" } });
      expect(raised).toEqual({ counters: { score: sum } });
    }
    const signIn = await call(server.url, "auth.v1.AuthService/SignIn", { login, secret: person.secret });
    const own = { authorization: `Bearer ${(signIn.json.tokens as { accessToken: string }).accessToken}` };
    const shown = await call(server.url, "counters.v1.CounterService/GetCounters", {}, own);
    expect(shown.json).toMatchObject({ counters: { score: "8", ping: "0", follow1: "0" } });
    const unknown = await call(
      server.url,
      "counters.v1.CounterService/PutCounters",
      { counters: { scores: "1" } },
      own,
    );
    expect(unknown.json).toMatchObject({ message: "There is no counter scores; did you mean score?" });

    const jobs = jobsOf(server.url, folder);
    const job = await jobs.until(await jobs.submit("app.after"));
    expect(job).toMatchObject({ state: "JOB_STATE_SUCCEEDED", result: "done where the counters are declared too" });
    server.signal("SIGTERM");
    expect(await server.exit).toMatchObject({ code: 0 });
  },
  100_000,
);
