import { defineConfig } from "vitest/config";
import { LongestFirst } from "./support/longest-first.js";

export default defineConfig({
  resolve: { conditions: ["backstay-source"] },
  ssr: { resolve: { conditions: ["backstay-source"] } },
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["tests/**/*.test.ts"],
    globalSetup: ["tests/support/global-setup.ts"],
    setupFiles: ["tests/support/watch-answers.ts"],
    // One private PostgreSQL serves all files; two workers keep two cores busy and leave the server room.
    pool: "forks",
    sequence: { sequencer: LongestFirst },
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
