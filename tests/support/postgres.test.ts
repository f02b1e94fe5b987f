import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { createDatabaseOn, startPostgres15, startPostgres18, type TestServer } from "./postgres.js";
import "./provided.js";

describe.each([
  { name: "PostgreSQL 18", start: startPostgres18, versions: [18] },
  { name: "PostgreSQL 15", start: startPostgres15, versions: [15, 16, 17] },
])("a private $name", ({ start, versions }) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server?.stop());

  it("has the version that the test asked for", async () => {
    expect(versions).toContain(server.version);
    const sql = postgres(server.url, { max: 1 });
    const [row] = await sql`select current_setting('server_version_num')::int / 10000 as major`.finally(() =>
      sql.end(),
    );
    expect(row?.major).toBe(server.version);
  });

  it("makes databases, empty or from a template, and drops them", async () => {
    const template = await server.createDatabase();
    const first = postgres(template.url, { max: 1 });
    await first`create table kept as select 42 as answer`.finally(() => first.end());

    const copy = await server.createDatabase(template.name);
    const sql = postgres(copy.url, { max: 1 });
    const [row] = await sql`select answer, current_database() as name from kept`.finally(() => sql.end());

    expect(row).toEqual({ answer: 42, name: copy.name });
    await copy.drop();
    await template.drop();
  });

  it.skipIf(process.env.TEST_DATABASE_URL && versions.includes(15))(
    "comes back after kill -9 under the same url",
    async () => {
      const database = await server.createDatabase();
      const sql = postgres(database.url, { max: 1, onnotice: () => {} });
      await sql`create table kept as select 42 as answer`;
      server.kill9();
      await server.restart();

      const again = postgres(database.url, { max: 1 });
      const [row] = await again`select answer from kept`.finally(() => again.end());
      await sql.end({ timeout: 0 });
      expect(row?.answer).toBe(42);
    },
  );
});

describe("the server of the run", () => {
  it("is given to every test file", async () => {
    const database = await createDatabaseOn(inject("postgres18"));
    expect(database.name).toMatch(/^test_/);
    await database.drop();
  });
});
