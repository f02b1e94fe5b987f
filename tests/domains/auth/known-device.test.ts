import { expect, it } from "vitest";
import { knownDevice, newDeviceToken, renewedDeviceToken } from "../../../server/domains/auth/known-device.js";
import { instanceKey } from "../../../server/kernel/instance-key.js";
import { flipped, testClock } from "../support.js";

const [OLD, NEW] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const DAY = 24 * 3_600_000;

const parts = (key = instanceKey(OLD)) => ({ key, clock: testClock() });

it("a token names its device, another each time, to the login it was made for", () => {
  const here = parts();
  const [first, second] = [newDeviceToken(here, "ada"), newDeviceToken(here, "ada")];
  expect(first).toMatch(/^bs_dt_[A-Za-z0-9_-]{72}$/);
  const names = [first, second].map((token) => knownDevice(here, "ada", token));
  expect(names.every((name) => name !== undefined && name.length > 20)).toBe(true);
  expect(names[0]).not.toBe(names[1]);
  expect(knownDevice(here, "ada", first)).toBe(names[0]);
  for (const login of ["ben", "", "ad", "adaa"]) expect(knownDevice(here, login, first)).toBeUndefined();
});

it.each([
  ["nothing", () => ""],
  ["one with a bit turned over", flipped],
  ["one that is cut short", (token: string) => token.slice(0, -1)],
  ["one with more behind it", (token: string) => `${token}A`],
  ["a token of another kind", (token: string) => token.replace("bs_dt_", "bs_at_")],
  ["one of another installation", () => newDeviceToken(parts(instanceKey(NEW)), "ada")],
])("%s names none", (_, change) => {
  expect(knownDevice(parts(), "ada", change(newDeviceToken(parts(), "ada")))).toBeUndefined();
});

it("a device is known for a year after its sign-in", () => {
  const here = parts();
  const token = newDeviceToken(here, "ada");
  here.clock.advance(365 * DAY);
  expect(knownDevice(here, "ada", token)).toBeDefined();
  here.clock.advance(1);
  expect(knownDevice(here, "ada", token)).toBeUndefined();
});

it("a device stays known while another instance key takes the place of the one that made its token, and no longer", () => {
  const token = newDeviceToken(parts(), "ada");
  const name = knownDevice(parts(), "ada", token);
  expect(knownDevice(parts(instanceKey(NEW, [OLD])), "ada", token)).toBe(name);
  expect(knownDevice(parts(instanceKey(NEW)), "ada", token)).toBeUndefined();
});

it("a device keeps its token for half its life, and is given a new one when the instance key changes before", () => {
  const here = parts();
  const token = newDeviceToken(here, "ada");
  expect(renewedDeviceToken(here, "ada", token)).toBe(token);
  const turned = { ...here, key: instanceKey(NEW, [OLD]) };
  const next = renewedDeviceToken(turned, "ada", token);
  expect(next).not.toBe(token);
  // It outlives the key before.
  expect(knownDevice({ ...here, key: instanceKey(NEW) }, "ada", next)).toBeDefined();
  here.clock.advance((365 * DAY) / 2);
  expect(renewedDeviceToken(here, "ada", token)).not.toBe(token);
  for (const foreign of ["", flipped(token), newDeviceToken(here, "ben")]) {
    const made = renewedDeviceToken(here, "ada", foreign);
    expect(made).not.toBe(foreign);
    expect(knownDevice(here, "ada", made)).toBeDefined();
  }
});
