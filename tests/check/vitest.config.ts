import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** For `npm run check`: the architecture test alone, without the set-up that starts a database. */
export default defineConfig({
  resolve: { conditions: ["backstay-source"] },
  ssr: { resolve: { conditions: ["backstay-source"] } },
  test: {
    root: fileURLToPath(new URL("../..", import.meta.url)),
    include: ["tests/architecture.test.ts"],
    pool: "threads",
    maxWorkers: 1,
  },
});
