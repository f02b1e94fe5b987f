import { DomainError } from "./errors.js";
import { type InstanceKey, sameBytes, sha256 } from "./instance-key.js";

const VERSION = 1;
const MAC_BYTES = 8;

/** Everything that decides which rows a list shows; a token of one query is refused by another. */
export type Query = Readonly<Record<string, string | number | boolean | null>>;

/** An opaque token: where in this very query the next page begins. */
export function encodePageToken(key: InstanceKey, query: Query, keyset: readonly (string | number)[]): string {
  const body = Buffer.concat([Buffer.from([VERSION]), queryHash(query), Buffer.from(JSON.stringify(keyset))]);
  return Buffer.concat([key.mac("page-token", body).subarray(0, MAC_BYTES), body]).toString("base64url");
}

/** The keyset of a token, or undefined for the empty token of a first page. Throws INVALID_PAGE_TOKEN. */
export function decodePageToken(key: InstanceKey, query: Query, token: string): (string | number)[] | undefined {
  if (token === "") return undefined;
  const bytes = Buffer.from(token, "base64url");
  const body = bytes.subarray(MAC_BYTES);
  const genuine = bytes.length > MAC_BYTES + 9 && key.verifies("page-token", body, bytes.subarray(0, MAC_BYTES));
  if (!genuine || body[0] !== VERSION) throw refused("The page token is damaged.");
  if (!sameBytes(body.subarray(1, 9), queryHash(query))) {
    throw refused("The page token belongs to another query: repeat it with every other field unchanged.");
  }
  return JSON.parse(body.subarray(9).toString()) as (string | number)[];
}

function queryHash(query: Query): Buffer {
  const sorted = Object.entries(query).sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256(JSON.stringify(sorted)).subarray(0, 8);
}

function refused(message: string): DomainError {
  return new DomainError("INVALID_PAGE_TOKEN", message, { field: "pageToken" });
}
