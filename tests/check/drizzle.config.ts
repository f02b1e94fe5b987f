import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "postgresql",
  schema: "./server/platform/db/schemas.ts",
  out: "./server/platform/db/migrations",
  schemaFilter: ["backstay"],
  migrations: { prefix: "index" },
});
