import { type BlockList, isIP } from "node:net";
import type { CallRequest } from "./call.js";

/** Finds the address a request came from. */
export type RemoteOf = (request: CallRequest) => string;

/** The other end of the connection, whoever it says it speaks for. */
export const peerOf: RemoteOf = ({ socket }) => socket?.remoteAddress ?? "";

/**
 * Looks behind the proxies that are trusted. Each of them adds at the right of X-Forwarded-For whom it serves, so the right-most
 * address that is no such proxy is the last that anybody we trust has seen; what stands left of it the sender may have made up.
 */
export function remoteBehind(proxies: BlockList): RemoteOf {
  // To look an address up is not free, and most servers stand behind none.
  if (proxies.rules.length === 0) return peerOf;
  const isProxy = (address: string) => {
    const version = isIP(address);
    return version !== 0 && proxies.check(address, version === 4 ? "ipv4" : "ipv6");
  };
  return (request) => {
    let remote = peerOf(request);
    if (!isProxy(remote)) return remote;
    const hops = String(request.headers["x-forwarded-for"] ?? "").split(",");
    for (let hop = hops.pop(); hop !== undefined; hop = hops.pop()) {
      const address = addressIn(hop.trim());
      // A proxy that writes something else is the last that is known.
      if (address === undefined) break;
      remote = address;
      if (!isProxy(remote)) break;
    }
    return remote;
  };
}

/** An address as proxies write it: some with the port, and then IPv6 in brackets. */
function addressIn(hop: string): string | undefined {
  const [, bracketed, dotted] = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d{1,5})?$/.exec(hop) ?? [];
  const address = bracketed ?? dotted ?? hop;
  return isIP(address) !== 0 && !address.includes("%") ? address : undefined;
}
