import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { envOf, flagOf, readConfig, SETTINGS } from "../server/config.js";

it("has a page of every setting; `npm test -- --update tests/config-page.test.ts` writes it anew", async () => {
  const rows = Object.entries(SETTINGS).map(([name, setting]) => {
    const development = "development" in setting ? ` (\`${setting.development}\` in development)` : "";
    const usual = setting.default === "" ? "" : `\`${setting.default}\`${development}`;
    return `| \`${name}\` | \`--${flagOf(name)}\` | \`${envOf(name)}\` | ${usual} | ${setting.says} |`;
  });
  const page = `# Settings

A flag wins over an environment variable, that over \`backstay.config.json\` in the working directory and \`etc/config\`
(\`name=value\` lines) in the home, those over the default. \`DATABASE_URL\` is taken for \`database.url\`. Durations are
\`500ms\`, \`5s\`, \`10m\`, \`2h\`, \`14d\`. A name or value that means nothing stops the start, and the line says where.

| key | flag | environment | default | meaning |
|---|---|---|---|---|
${rows.join("\n")}
`;
  await expect(page).toMatchFileSnapshot("../docs/config.md");
});

it("takes a flag over the environment, and that over the default", () => {
  const read = (flags: object, env: NodeJS.ProcessEnv) =>
    readConfig({ flags, env, cwd: "/nowhere", development: false }).port;
  expect(read({ port: "1" }, { BACKSTAY_PORT: "2" })).toBe(1);
  expect(read({}, { BACKSTAY_PORT: "2" })).toBe(2);
  expect(read({}, {})).toBe(8000);
});

it("refuses a value that means nothing, naming where it stands", () => {
  const read = (env: NodeJS.ProcessEnv) => () => readConfig({ flags: {}, env, cwd: "/nowhere", development: false });
  expect(read({ BACKSTAY_PORT: "many" })).toThrow(/^BACKSTAY_PORT: port /);
  expect(read({ BACKSTAY_EVENTS_HEARTBEAT: "5" })).toThrow("must be a duration such as 5s");
  expect(read({ BACKSTAY_TLS_CERT: "x" })).toThrow("tls.cert and tls.key are given together");
  expect(read({ BACKSTAY_SECRET: "short" })).toThrow("BACKSTAY_SECRET");
  const [one, two] = ["1".repeat(64), "2".repeat(64)];
  const previous = (text: string) => read({ BACKSTAY_SECRET: one, BACKSTAY_SECRET_PREVIOUS: text });
  expect(previous(`${two},${one}`)().secret_previous).toBe(`${two},${one}`);
  for (const wrong of ["short", `${two},`, `${two},short`, `${two} ${one}`]) {
    expect(previous(wrong)).toThrow("BACKSTAY_SECRET_PREVIOUS: must be at least 64 hex digits");
  }
  expect(read({ BACKSTAY_SECRET_PREVIOUS: two })).toThrow("BACKSTAY_SECRET_PREVIOUS: is of use only beside");
});

describe("the files", () => {
  const folder = mkdtempSync(join(tmpdir(), "backstay-config-"));
  const read = () => readConfig({ flags: {}, env: {}, cwd: folder, development: false });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("backstay.config.json may name the home, whose etc/config has the last word of the two", () => {
    writeFileSync(join(folder, "backstay.config.json"), '{"home": "./here", "port": 1, "log": {"level": "warn"}}');
    mkdirSync(join(folder, "here", "etc"), { recursive: true });
    writeFileSync(join(folder, "here", "etc", "config"), "# a comment\nport = 2\n");
    expect(read()).toMatchObject({ home: join(folder, "here"), port: 2, "log.level": "warn" });
  });

  it("a setting that there is not is refused with file, line and the nearest name", () => {
    writeFileSync(join(folder, "here", "etc", "config"), "port=2\nevents.hartbeat=5s\n");
    expect(read).toThrow(/config:2: there is no setting events\.hartbeat; did you mean events\.heartbeat\?$/);
  });

  it("and each setting knows where it was said, for what only the start finds wrong", () => {
    writeFileSync(join(folder, "here", "etc", "config"), "port=2\naccess.deny=MessageService/DeletMessages\n");
    const { sources } = read();
    expect([sources["access.deny"], sources.port, sources["access.admin"]]).toEqual([
      `${join(folder, "here", "etc", "config")}:2`,
      `${join(folder, "here", "etc", "config")}:1`,
      "default",
    ]);
  });
});
