import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "nats";
import { expect, it, onTestFinished, vi } from "vitest";
import { findNatsServer, startNatsServer } from "../../server/cli/nats-server.js";
import { isAlive } from "../../server/platform/process.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

function storeDir(): string {
  const folder = mkdtempSync(join(tmpdir(), "backstay-nats-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function streamsOf(url: string): Promise<number> {
  const connection = await connect({ servers: [url] });
  const { streams } = await connection.jetstreamManager().then((manager) => manager.getAccountInfo());
  await connection.close();
  return streams;
}

it("starts one with JetStream, on a port of its own", async () => {
  const [one, two] = [await startNatsServer({ storeDir: storeDir() }), await startNatsServer({ storeDir: storeDir() })];
  expect(one.port).not.toBe(two.port);
  expect(one.url).toBe(`nats://127.0.0.1:${one.port}`);
  for (const { url, pid } of [one, two]) {
    expect(isAlive(pid)).toBe(true);
    expect(await streamsOf(url)).toBe(0);
  }
  for (const server of [one, two]) await server.stop();
});

it("starts it again on its port and store after a crash or a stop, and only once", async () => {
  const server = await startNatsServer({ storeDir: storeDir() });
  const connection = await connect({ servers: [server.url] });
  await (await connection.jetstreamManager()).streams.add({ name: "KEPT", subjects: ["kept"] });
  await connection.close();
  const first = server.pid;
  await server.kill9();
  expect(isAlive(first)).toBe(false);
  expect(server.pid).toBe(0);
  await server.start();
  expect(await streamsOf(server.url)).toBe(1);
  const second = server.pid;
  await server.start();
  expect(server.pid).toBe(second);
  await server.stop();
  await server.stop();
  expect(isAlive(second)).toBe(false);
  await server.start();
  expect(await streamsOf(server.url)).toBe(1);
  await server.stop();
});

it("does not outlive the process that started it, however that ends", async () => {
  const code = `const { startNatsServer } = await import("./server/cli/nats-server.ts");
    const { pid } = await startNatsServer({ storeDir: process.argv[1] });
    console.log(pid);
    process.kill(process.pid, "SIGKILL");`;
  const args = ["--import", "tsx", "--input-type=module", "-e", code, storeDir()];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  const [said] = await once(child.stdout, "data");
  const pid = Number(said);
  expect(pid).toBeGreaterThan(0);
  await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
});

it("says in one line why none starts", async () => {
  const server = await startNatsServer({ storeDir: storeDir() });
  const again = startNatsServer({ storeDir: storeDir(), port: server.port });
  await expect(again).rejects.toThrow(`port ${server.port} of 127.0.0.1 is taken`);
  await expect(startNatsServer({ storeDir: storeDir(), flags: ["--no-such-flag"] })).rejects.toThrow(
    /^nats-server does not start: .*no-such-flag.*$/,
  );
  await server.stop();
});

it("takes the program of NATS_SERVER_BIN, and refuses what is none", async () => {
  const program = await findNatsServer();
  vi.stubEnv("NATS_SERVER_BIN", program);
  expect(await findNatsServer()).toBe(program);
  vi.stubEnv("NATS_SERVER_BIN", "/no/such/nats-server");
  await expect(findNatsServer()).rejects.toThrow(/^NATS_SERVER_BIN names no program\.$/);
  vi.unstubAllEnvs();
});
