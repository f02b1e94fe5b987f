import { type BackstayClient, BackstayError, createClient } from "@backstay/client";
import { readAdminToken, readRunning } from "../app/key-change.js";

/** Which server a command asks, and how it answers. */
export interface OperatorFlags {
  /** The home of the running server. */
  home: string;
  /** A server elsewhere, in place of the home's. */
  url?: string;
  /** The admin token, or an API key, of a server elsewhere. */
  key: string | undefined;
  json?: true;
}

/**
 * Asks a running server as its operator. Throws with the code BACKSTAY_UNREACHABLE when there is none, and what the server says
 * otherwise.
 */
export async function asOperator<T>(flags: OperatorFlags, work: (client: BackstayClient) => Promise<T>): Promise<T> {
  const url = flags.url === undefined ? readRunning(flags.home)?.url : urlElsewhere(flags.url);
  if (!url) throw unreachable(`no server runs on ${flags.home}; start it first, or name one with --url`);
  const token = flags.url === undefined ? readAdminToken(flags.home) : keyElsewhere(flags.key);
  if (token === undefined) throw new Error(`${flags.home} has no admin token`);
  try {
    return await work(createClient(url, { token }));
  } catch (error) {
    throw BackstayError.is(error, "unavailable") ? unreachable(`no server answers at ${url}`) : error;
  }
}

/** A token as a header can hold it. */
const TOKEN = /^[\x21-\x7e]+$/;

/** The key of a server elsewhere. Throws when there is none, and for what can be none, which is not shown: most of it may be one. */
export function keyElsewhere(key: string | undefined): string {
  const token = key?.trim();
  if (!token) throw new Error("set BACKSTAY_KEY to the admin token of that server");
  if (TOKEN.test(token)) return token;
  throw new Error("BACKSTAY_KEY is no key: it has a blank, a line break or another sign that no key has");
}

/** The URL of a server elsewhere. Throws for what is none, which is not shown: it may have a password. */
export function urlElsewhere(text: string): string {
  const { protocol = "", username = "", password = "" } = URL.canParse(text) ? new URL(text) : {};
  if (/^https?:$/.test(protocol) && username + password === "") return text;
  throw new Error("--url must be a URL such as https://api.example.com, without a user or password");
}

function unreachable(message: string): Error {
  return Object.assign(new Error(message), { code: "BACKSTAY_UNREACHABLE" });
}
