/** IPv4 networks that are nobody's on the Internet, as IANA lists them, and two addresses that clouds give to machines of theirs. */
const CLOSED_V4 = [
  "0.0.0.0/8", // this network
  "10.0.0.0/8",
  "100.64.0.0/10", // carriers' own
  "127.0.0.0/8",
  "168.63.129.16/32", // what a machine of Azure asks of its host
  "169.254.0.0/16", // the link's own, where clouds answer for what a machine is
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24", // documentation, like two others below
  "192.88.99.0/24", // relays of 6to4
  "192.168.0.0/16",
  "198.18.0.0/15", // benchmarks
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4", // multicast
  "240.0.0.0/4",
].map(toNetwork);

/** What is closed of the IPv6 addresses that the Internet uses, 2000::/3; everything beside those is closed too. */
const CLOSED_V6: readonly { readonly of: readonly number[]; readonly bits: number }[] = [
  { of: [0x2001, 0x0000], bits: 23 }, // protocols' own, such as Teredo, which has an IPv4 address in it
  { of: [0x2001, 0x0db8], bits: 32 }, // documentation, like the next
  { of: [0x3fff, 0x0000], bits: 20 },
];

/**
 * Whether an address, as numbers, is one of the Internet: not of this machine, its link or a private network, nor for many at
 * once. One that has an IPv4 address in it, which somebody translates, is what that is. What is no address is not public.
 */
export function isPublicAddress(address: string): boolean {
  const v4 = parseV4(address);
  if (v4 !== undefined) return isPublicV4(v4);
  const groups = parseV6(address);
  if (groups === undefined) return false;
  const inner = innerV4(groups);
  if (inner !== undefined) return isPublicV4(inner);
  return startsWith(groups, [0x2000], 3) && !CLOSED_V6.some(({ of, bits }) => startsWith(groups, of, bits));
}

function isPublicV4(address: number): boolean {
  return !CLOSED_V4.some(({ of, size }) => address >= of && address < of + size);
}

/** The IPv4 address that an IPv6 address stands for: mapped, by NAT64, by 6to4. */
function innerV4(groups: readonly number[]): number | undefined {
  const last = groups[6]! * 0x1_0000 + groups[7]!;
  if (startsWith(groups, [0, 0, 0, 0, 0, 0xffff], 96)) return last;
  if (startsWith(groups, [0x64, 0xff9b, 0, 0, 0, 0], 96)) return last;
  if (startsWith(groups, [0x2002], 16)) return groups[1]! * 0x1_0000 + groups[2]!;
  return undefined;
}

function startsWith(groups: readonly number[], prefix: readonly number[], bits: number): boolean {
  return prefix.every((group, n) => {
    const counted = Math.min(16, bits - n * 16);
    return counted <= 0 || group >> (16 - counted) === groups[n]! >> (16 - counted);
  });
}

function toNetwork(text: string): { of: number; size: number } {
  const [address = "", bits] = text.split("/");
  return { of: parseV4(address)!, size: 2 ** (32 - Number(bits)) };
}

function parseV4(text: string): number | undefined {
  const parts = text.split(".").map((part) => (/^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : 256));
  if (parts.length !== 4 || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

/** Its eight groups. */
function parseV6(text: string): number[] | undefined {
  const [head = "", tail, more] = withoutDots(text).split("::");
  if (more !== undefined) return undefined;
  const left = groupsOf(head);
  const right = tail === undefined ? [] : groupsOf(tail);
  if (left === undefined || right === undefined) return undefined;
  const missing = 8 - left.length - right.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  return [...left, ...new Array<number>(missing).fill(0), ...right];
}

/** The last 32 bits may be written as IPv4 does. */
function withoutDots(text: string): string {
  const at = text.lastIndexOf(":") + 1;
  const v4 = at === 0 ? undefined : parseV4(text.slice(at));
  if (v4 === undefined) return text;
  return `${text.slice(0, at)}${Math.floor(v4 / 0x1_0000).toString(16)}:${(v4 % 0x1_0000).toString(16)}`;
}

function groupsOf(text: string): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  return parts.every((part) => /^[0-9a-f]{1,4}$/i.test(part))
    ? parts.map((part) => Number.parseInt(part, 16))
    : undefined;
}
