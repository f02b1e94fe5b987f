import { BlockList, isIP } from "node:net";
import { describe, expect, it } from "vitest";
import { isPublicAddress } from "../../server/kernel/private-address.js";

describe("an address of the Internet", () => {
  it.each([
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.0.3.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2000::",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2A00:1450:4001:81B::200E",
    "3ffe:ffff::",
    "2002:808:808::1",
    "64:ff9b::8.8.8.8",
    "64:ff9b::808:808",
    "::ffff:8.8.8.8",
    "::ffff:808:808",
    "0:0:0:0:0:ffff:808:808",
  ])("is %s", (address) => {
    expect(isIP(address)).not.toBe(0);
    expect(isPublicAddress(address)).toBe(true);
  });
});

describe("no address of the Internet", () => {
  it.each([
    ["the unspecified one", ["0.0.0.0", "0.255.255.255", "::"]],
    ["of this machine", ["127.0.0.1", "127.255.255.255", "::1", "0:0:0:0:0:0:0:1"]],
    [
      "of private networks",
      ["10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255"],
    ],
    ["of private networks, IPv6", ["fc00::1", "fd00:ec2::254", "fdff:ffff::1"]],
    ["of the link", ["169.254.0.1", "169.254.169.254", "169.254.255.255", "fe80::1", "febf::1", "fe80::1%eth0"]],
    ["of sites, as they were", ["fec0::1"]],
    ["of a carrier", ["100.64.0.1", "100.100.100.200", "100.127.255.255"]],
    ["of a cloud's host", ["168.63.129.16", "192.0.0.192"]],
    ["of protocols", ["192.0.0.1", "192.88.99.1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:20::1"]],
    ["for documentation", ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1", "3fff:fff::1"]],
    ["for benchmarks", ["198.18.0.1", "198.19.255.255", "2001:2::1"]],
    ["for many at once", ["224.0.0.1", "239.255.255.255", "255.255.255.255", "ff02::1"]],
    ["kept for later", ["240.0.0.1", "4000::1", "5f00::1", "100::1"]],
    ["IPv4 that is mapped", ["::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "0:0:0:0:0:ffff:a9fe:a9fe"]],
    ["IPv4 in the old way", ["::127.0.0.1", "::8.8.8.8", "::ffff:0:8.8.8.8"]],
    ["IPv4 by NAT64", ["64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::808:808", "64:ff9b:0:1::808:808"]],
    ["IPv4 by 6to4", ["2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::", "2002:c0a8:101::5"]],
  ])("%s", (_, addresses) => {
    for (const address of addresses) {
      expect(isIP(address), address).not.toBe(0);
      expect(isPublicAddress(address), address).toBe(false);
    }
  });

  it.each([
    "",
    "localhost",
    "127.1",
    "2130706433",
    "0x7f000001",
    "017700000001",
    "08.8.8.8",
    "8.8.8.08",
    "8.8.8",
    "8.8.8.256",
  ])("what is not written as one: %s", (text) => expect(isPublicAddress(text)).toBe(false));

  it.each([
    "2606::1::1",
    "2606:::1",
    "2606:1",
    "1:2:3:4:5:6:7:8:9",
    "2606:4700:0:0:0:0:0:0::",
    "26060::1",
    "8.8.8.8::1",
    "[2606::1]",
  ])("what is not written as one of IPv6: %s", (text) => expect(isPublicAddress(text)).toBe(false));
});

it("finds the same as Node's own list of networks, over many addresses", () => {
  const list = new BlockList();
  const networks = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
  ];
  networks.push(
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
  );
  networks.push("224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32");
  for (const network of networks) {
    const [address, bits] = network.split("/");
    list.addSubnet(address!, Number(bits), "ipv4");
  }
  let closed = 0;
  for (let n = 0; n < 2 ** 32; n += 65_521) {
    const address = [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255].join(".");
    const isClosed = list.check(address, "ipv4");
    if (isClosed) closed++;
    if (isPublicAddress(address) === isClosed) throw new Error(address);
  }
  expect(closed).toBeGreaterThan(8_000);
});
