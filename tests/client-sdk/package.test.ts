import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../support/backstay.js";

const run = promisify(execFile);
const ROOT = new URL("../..", import.meta.url).pathname;

let backstay: TestBackstay;
let elsewhere: string;
beforeAll(async () => {
  backstay = await startBackstay();
  elsewhere = mkdtempSync(join(tmpdir(), "backstay-app-"));
});
afterAll(async () => {
  await backstay?.stop();
  rmSync(elsewhere, { recursive: true, force: true });
});

const APP = `
import { createClient, memoryStore, BackstayError } from "@backstay/client";
const [ada, ben] = [1, 2].map(() => createClient(process.argv[2], { store: memoryStore() }));
for (const [client, login] of [[ada, "ada"], [ben, "ben"]]) {
  await client.accounts.createAccount({ login, secret: "a long secret", name: login });
  await client.auth.signIn({ login, secret: "a long secret" });
}
const { account } = await ben.auth.getCurrent();
const stream = ben.events.subscribe({ types: ["message.add"] });
await stream.ready();
await ada.messages.sendMessage({ recipientId: account.id, text: "Hello from elsewhere" });
const { value: event } = await stream.next();
await stream.return();
const refused = await ada.messages.sendMessage({ recipientId: "nobody", text: "x" }).catch((error) => error);
console.log(JSON.stringify({ text: event.data.text, reason: refused.reason, typed: refused instanceof BackstayError }));
`;

it("packs, and works for a plain Node program in a folder that knows nothing of this one", async () => {
  const { stdout: packed } = await run(
    "npm",
    ["pack", "--json", "--workspace", "client-sdk", "--pack-destination", elsewhere],
    {
      cwd: ROOT,
    },
  );
  const [{ filename, files }] = JSON.parse(packed) as [{ filename: string; files: { path: string }[] }];
  expect(files.map((file) => file.path)).toContain("dist/index.js");
  const modules = join(elsewhere, "node_modules");
  mkdirSync(join(modules, "@backstay", "client"), { recursive: true });
  await run("tar", [
    "-xzf",
    join(elsewhere, filename),
    "--strip-components=1",
    "-C",
    join(modules, "@backstay", "client"),
  ]);
  // The package's own dependencies, as an install would lay them.
  for (const scope of ["@bufbuild", "@connectrpc"])
    symlinkSync(join(ROOT, "node_modules", scope), join(modules, scope));
  writeFileSync(join(elsewhere, "app.mjs"), APP);

  const { stdout } = await run(process.execPath, [join(elsewhere, "app.mjs"), backstay.url], { timeout: 15_000 });
  expect(JSON.parse(stdout)).toEqual({ text: "Hello from elsewhere", reason: "RECIPIENT_NOT_FOUND", typed: true });
});
