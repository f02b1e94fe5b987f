import { execFile } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type InstanceKey, instanceKey } from "../../server/kernel/instance-key.js";
import { type Home, openHome } from "../../server/platform/home.js";
import { draftSecret, homeKey, NotRotated, rotateSecret, rotation } from "../../server/platform/home-key.js";

let path: string;
let home: Home;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "backstay-key-test-"));
  home = openHome(path);
  home.secret();
});
afterEach(() => {
  rmSync(path, { recursive: true, force: true });
});

const at = (name: string) => join(path, "etc", name);
const read = (name: string) => readFileSync(at(name), "utf8").trim();
const modeOf = (name: string) => (statSync(at(name)).mode & 0o777).toString(8);

/** The ring as a process that starts now has it. */
function ringNow(): InstanceKey {
  return instanceKey(home.secret(), home.previousSecrets());
}

function fail(error: unknown): never {
  throw error;
}

describe("a home's new instance key", () => {
  it("takes the place of the one before, which is accepted besides; both are their owner's only", () => {
    const old = ringNow();
    rotateSecret(home);
    const ring = ringNow();
    expect(ring.fingerprint).not.toBe(old.fingerprint);
    expect(ring.previous).toEqual([old.fingerprint]);
    expect([modeOf("secret"), modeOf("secret.previous")]).toEqual(["600", "600"]);
    expect(read("secret")).toMatch(/^[0-9a-f]{64}$/);
  });

  it("is not drawn while there is another one before it", () => {
    rotateSecret(home);
    const files = [read("secret"), read("secret.previous")];
    expect(() => rotateSecret(home)).toThrow(NotRotated);
    expect([read("secret"), read("secret.previous")]).toEqual(files);
    rmSync(at("secret.previous"));
    rotateSecret(home);
    expect(read("secret.previous")).toBe(files[0]);
  });

  it("wherever its making was broken off, the files open what was sealed before, and it is made the next time", () => {
    const steps = [...rotation(home)].length;
    expect(steps).toBe(6);
    for (let done = 0; done <= steps; done++) {
      rmSync(path, { recursive: true });
      home = openHome(path);
      writeFileSync(at("secret"), `${"ab".repeat(32)}\n`);
      const before = ringNow();
      const kept = before.seal("api-key", "text", "key-a");
      const walk = rotation(home);
      for (let step = 0; step < done; step++) walk.next();

      const broken = ringNow();
      expect(broken.open("api-key", kept, "key-a")).toBe("text");
      // What a server has sealed meanwhile, under whichever key is there, stays open as well.
      const meanwhile = broken.seal("api-key", "meanwhile", "key-a");
      if (broken.fingerprint === before.fingerprint) rotateSecret(home);
      const ring = ringNow();
      expect(ring.fingerprint).not.toBe(before.fingerprint);
      expect(ring.open("api-key", kept, "key-a")).toBe("text");
      expect(ring.open("api-key", meanwhile, "key-a")).toBe("meanwhile");
    }
  });

  it("is drawn once, however many processes draw one at once", async () => {
    const old = ringNow();
    const module = JSON.stringify(new URL("../../server/platform/", import.meta.url).href);
    const code = `
      const { openHome } = await import(${module} + "home.ts");
      const { rotateSecret } = await import(${module} + "home-key.ts");
      const home = openHome(process.argv[1]);
      await new Promise((resolve) => setTimeout(resolve, Number(process.argv[2]) - Date.now()));
      try { rotateSecret(home); console.log("rotated"); } catch (error) { console.log("refused"); }`;
    const start = String(Date.now() + 2_500);
    const args = ["--import", "tsx", "--input-type=module", "-e", code, path, start];
    const runs = await Promise.all([1, 2, 3].map(() => promisify(execFile)(process.execPath, args)));
    expect(runs.map(({ stdout }) => stdout.trim()).sort()).toEqual(["refused", "refused", "rotated"]);
    expect(ringNow().previous).toEqual([old.fingerprint]);
  });
});

describe("a process that runs on a home", () => {
  it("takes the new key, and accepts the old one until it ends, whatever becomes of the file", () => {
    const key = homeKey(home, fail);
    const old = ringNow();
    rotateSecret(home);
    const ring = ringNow();
    expect([key.fingerprint, key.previous]).toEqual([ring.fingerprint, [old.fingerprint]]);
    rmSync(at("secret.previous"));
    expect([key.fingerprint, key.previous]).toEqual([ring.fingerprint, [old.fingerprint]]);
    expect(key.open("api-key", old.seal("api-key", "text", "key-a"), "key-a")).toBe("text");
    rotateSecret(home);
    expect(key.previous).toEqual([ring.fingerprint, old.fingerprint]);
    expect(homeKey(home, fail).previous).toEqual([ring.fingerprint]);
  });

  it("keeps its key when the files cannot be read, says so once, and takes what stands there later", () => {
    const errors: unknown[] = [];
    const key = homeKey(home, (error) => errors.push(error));
    const { fingerprint } = key;
    const old = read("secret");
    writeFileSync(at("secret"), "no key\n");
    expect([key.fingerprint, key.fingerprint]).toEqual([fingerprint, fingerprint]);
    expect(errors).toHaveLength(1);
    expect(String(errors[0])).not.toContain(old);
    writeFileSync(at("secret"), `${"cd".repeat(32)}\n`);
    expect(key.fingerprint).toBe(instanceKey(Buffer.alloc(32, 0xcd)).fingerprint);
  });

  it("makes no key in the place of one that has gone for a moment: it keeps what it has, and says so each time", () => {
    const errors: unknown[] = [];
    const key = homeKey(home, (error) => errors.push(error));
    const { fingerprint } = key;
    for (const times of [1, 2]) {
      renameSync(at("secret"), at("secret.away"));
      expect([key.fingerprint, key.fingerprint]).toEqual([fingerprint, fingerprint]);
      expect(key.verifies("page-token", "text", Buffer.alloc(32))).toBe(false);
      expect(readdirSync(join(path, "etc"))).toEqual(["secret.away"]);
      expect(errors).toHaveLength(times);
      renameSync(at("secret.away"), at("secret"));
      expect([key.fingerprint, key.previous]).toEqual([fingerprint, []]);
    }
    expect(ringNow().fingerprint).toBe(fingerprint);
  });

  it("makes no key where there is none, nor has another one drawn", () => {
    rmSync(at("secret"));
    expect(() => homeKey(home, fail)).toThrow("ENOENT");
    expect(() => rotateSecret(home)).toThrow("ENOENT");
    expect(readdirSync(join(path, "etc"))).toEqual([]);
  });

  it("takes a new key that could not be read at first, as soon as it can be", () => {
    const errors: unknown[] = [];
    const key = homeKey(home, (error) => errors.push(error));
    const { fingerprint } = key;
    rmSync(at("secret"));
    // A folder in the place of the file: looked at, but not read, by whoever runs the test.
    mkdirSync(at("secret"));
    expect(key.fingerprint).toBe(fingerprint);
    expect(String(errors)).toContain("EISDIR");
    rmSync(at("secret"), { recursive: true });
    writeFileSync(at("secret"), `${"cd".repeat(32)}\n`);
    expect(key.fingerprint).toBe(instanceKey(Buffer.alloc(32, 0xcd)).fingerprint);
  });

  it("keeps its key when nobody lets it look at the files", () => {
    const errors: unknown[] = [];
    const key = homeKey(home, (error) => errors.push(error));
    const { fingerprint } = key;
    // Whoever runs the test may be let in everywhere, but nobody gets through a link to itself.
    renameSync(join(path, "etc"), join(path, "etc.away"));
    symlinkSync("etc", join(path, "etc"));
    expect(key.open("api-key", key.seal("api-key", "text", "key-a"), "key-a")).toBe("text");
    expect(key.fingerprint).toBe(fingerprint);
    expect(String(errors)).toContain("ELOOP");
  });

  it("accepts several previous keys, one a line", () => {
    writeFileSync(at("secret.previous"), `${"ab".repeat(32)}\n\n  ${"cd".repeat(32)}  \n`);
    const names = [0xab, 0xcd].map((byte) => instanceKey(Buffer.alloc(32, byte)).fingerprint);
    expect(homeKey(home, fail).previous).toEqual(names);
  });
});

it("a key for several servers is drawn into a file for its owner only, once", () => {
  const file = draftSecret(home);
  expect(file).toBe(at("secret.new"));
  expect(modeOf("secret.new")).toBe("600");
  const drawn = read("secret.new");
  expect(drawn).toMatch(/^[0-9a-f]{64}$/);
  draftSecret(home);
  expect(read("secret.new")).toBe(drawn);
});
