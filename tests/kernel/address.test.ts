import { expect, it } from "vitest";
import { addressKey } from "../../server/kernel/address.js";

it.each([
  ["an IPv4 address", "192.0.2.1", ["192.0.2.1", "::ffff:192.0.2.1", "::FFFF:c000:0201", "0:0:0:0:0:ffff:c000:201"]],
  ["an IPv6 /64", "2001:db8:1:2::/64", ["2001:db8:1:2:3:4:5:6", "2001:0DB8:0001:0002::1", "2001:db8:1:2::"]],
  ["a /64 with zeros left out", "2001:db8:0:0::/64", ["2001:db8::1", "2001:db8:0:0:ffff::"]],
  ["this machine", "0:0:0:0::/64", ["::1"]],
  ["a link of this machine", "fe80:0:0:0::/64", ["fe80::1%eth0", "fe80::2"]],
])("counts %s as one, however it is written", (_, key, addresses) => {
  expect(addresses.map(addressKey)).toEqual(addresses.map(() => key));
});

it("tells apart what is not one", () => {
  const others = ["192.0.2.1", "192.0.2.2", "2001:db8:1:2::1", "2001:db8:1:3::1", "::1"];
  expect(new Set(others.map(addressKey)).size).toBe(others.length);
});
