import { getPublicSuffix } from "tldts";

const IPV4 = /^[0-9.]+$/;

/** The host of a `host` header: without its port, in lower case. */
export function hostName(host: string): string {
  const name = host.startsWith("[") ? host.slice(0, host.indexOf("]") + 1) : host.split(":", 1)[0]!;
  return name.toLowerCase();
}

/**
 * What a signature of a whole domain names: the host without its first label when it has more than two, so that
 * `www.example.com` and `api.example.com` share it. An address is a domain of its own, and so is a host whose next level is
 * open to everybody, such as `example.co.uk`: the predecessor would have signed for its neighbours.
 */
export function domainOf(host: string): string {
  const name = hostName(host);
  const labels = name.split(".");
  if (labels.length <= 2 || IPV4.test(name)) return name;
  const parent = labels.slice(1).join(".");
  return getPublicSuffix(parent, { allowPrivateDomains: true }) === parent ? name : parent;
}
