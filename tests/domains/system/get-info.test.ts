import { expect, it } from "vitest";
import packageJson from "../../../package.json" with { type: "json" };
import { startBackstay } from "../../support/backstay.js";

it("tells name and version, and that anyone may sign up where that is so", async () => {
  const backstay = await startBackstay();
  const info = await backstay.anonymous().system.getInfo();
  expect(info).toMatchObject({ name: "backstay", version: packageJson.version, features: ["open_registration"] });
  await backstay.stop();
});

it("leaves the feature out where only administrators make accounts", async () => {
  const backstay = await startBackstay({ "accounts.open_registration": "off" });
  const info = await backstay.anonymous().system.getInfo();
  expect(info.features).toEqual([]);
  await backstay.stop();
});
