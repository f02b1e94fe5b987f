import { afterAll, expect, inject, it } from "vitest";
import postgres from "postgres";
import { makeAppFolder } from "/work/main/tests/acceptance/app-folder.js";
import { cleanUp } from "/work/main/tests/acceptance/server-process.js";
import { serveJobs } from "/work/main/tests/acceptance/job-server.js";
import { createDatabaseOn } from "/work/main/tests/support/postgres.js";
afterAll(cleanUp);
const APP = `import { backend } from "backstay"; const app = backend();
app.job("app.pid", () => process.pid); await app.start();`;
it.each([["--jobs-workers=2"],["--jobs-workers=2 --jobs-isolation=thread"],["--jobs-concurrency=2"],["--jobs-workers=4"]])("%s", async (flags) => {
  const data = await createDatabaseOn(inject("postgres18"), inject("template"));
  const sql = postgres(data.url, { max: 1 });
  const cwd = await makeAppFolder({ "app.ts": APP });
  const server = await serveJobs(cwd, data.url, flags.split(" "));
  await server.until(await server.submit("app.pid"));
  const t = performance.now();
  for (let k = 0; k < 2; k++) await server.submitAll(Array.from({ length: 1000 }, () => ({ name: "app.pid" })));
  const t1 = performance.now();
  for (;;) { const [{ n }] = await sql`select count(*)::int n from backstay.jobs where state <> 4` as any; if (n === 0) break; await new Promise(r => setTimeout(r, 200)); }
  console.log(flags, "submit", t1 - t, "drain", performance.now() - t);
  server.signal("SIGTERM"); await server.exit; await sql.end();
}, 60000);
