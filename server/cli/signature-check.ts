import { createInterface } from "node:readline";
import { DomainError } from "../kernel/errors.js";
import {
  type Carrier,
  canonicalString,
  checkBody,
  checkExpiry,
  type Dialect,
  isSignedWith,
  parseSignature,
} from "../kernel/signature.js";
import { visibleJson } from "./visible.js";

/** A signed request as a server receives it, and the account it is to be judged for. */
interface Signed {
  name: string;
  header: string;
  transport: Carrier;
  /** Whose scheme it follows; absent where the request itself has to tell. */
  dialect?: Dialect;
  login: string;
  secret: string;
  method: string;
  host: string;
  path: string;
  query: string;
  contentType: string;
  body: string;
  now: number;
}

interface Verdict {
  name: string;
  valid: boolean;
  /** Why it is refused; empty when it is not. */
  reason: string;
  /** What should have been signed, as far as it can be told. */
  canonical: string;
}

const CARRIERS: readonly unknown[] = ["header", "query", "session", "access-token"] satisfies Carrier[];
const DIALECTS: readonly unknown[] = ["1.x", "0.9.3"] satisfies Dialect[];
const TEXTS = ["name", "header", "login", "secret", "method", "host", "path", "query", "contentType", "body"];
const NEEDED = ["header", "login", "secret", "host"];

/**
 * Judges each line by the scheme alone: what a server's policy adds (age, replay) is not asked. JSON that begins with a line of
 * nothing but a bracket is read to the end of the input; several requests may stand in one list, or in a list named `cases`.
 * Answers whether all could be read.
 */
export async function checkSignatures(input: NodeJS.ReadableStream, print: (line: string) => void): Promise<boolean> {
  let allRead = true;
  const tell = (text: string) => {
    for (const { isRead, ...verdict } of judgeText(text)) {
      print(visibleJson(verdict));
      allRead &&= isRead;
    }
  };
  let file = "";
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (file !== "" || line.trim() === "{" || line.trim() === "[") file += `${line}\n`;
    else if (line.trim() !== "") tell(line);
  }
  if (file !== "") tell(file);
  return allRead;
}

function judgeText(text: string): (Verdict & { isRead: boolean })[] {
  try {
    return requestsOf(JSON.parse(text)).map(judgeJson);
  } catch (error) {
    return [unread(error)];
  }
}

function requestsOf(json: unknown): unknown[] {
  const list = (json as { cases?: unknown } | null)?.cases ?? json;
  return Array.isArray(list) ? list : [list];
}

function judgeJson(json: unknown): Verdict & { isRead: boolean } {
  try {
    return { ...judge(readSigned(json)), isRead: true };
  } catch (error) {
    return unread(error);
  }
}

function unread(error: unknown): Verdict & { isRead: boolean } {
  const reason = `not a signed request: ${(error as Error).message}`;
  return { name: "", valid: false, reason, canonical: "", isRead: false };
}

function judge(signed: Signed): Verdict {
  const verdict = { name: signed.name, valid: true, reason: "", canonical: "" };
  const body = Buffer.from(signed.body);
  try {
    const signature = parseSignature(signed.header, signed.transport, signed.dialect);
    verdict.canonical = canonicalString(signature, signed, body);
    checkExpiry(signature, signed.now);
    checkBody(signature, body);
    if (folded(signature.login) !== folded(signed.login)) {
      throw new DomainError("INVALID_SIGNATURE", `It is of the login ${signature.login}, not ${signed.login}.`);
    }
    if (!isSignedWith(signed.secret, signature, signed, body)) {
      throw new DomainError("INVALID_SIGNATURE", "The secret makes another digest of the canonical text.");
    }
    return verdict;
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    return { ...verdict, valid: false, reason: `${error.reason}: ${error.message}` };
  }
}

/** Beside what is needed, what is absent is empty, the clock is now, and the signature came in the header. */
function readSigned(json: unknown): Signed {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new Error("expected a JSON object");
  const given = json as Record<string, unknown>;
  const missing = NEEDED.filter((name) => given[name] === undefined);
  if (missing.length > 0) throw new Error(`${missing.join(", ")} missing`);
  const wrong = TEXTS.find((name) => given[name] !== undefined && typeof given[name] !== "string");
  if (wrong !== undefined) throw new Error(`${wrong} must be text`);
  checkOneOf("transport", given.transport, CARRIERS);
  checkOneOf("dialect", given.dialect, DIALECTS);
  if (given.now !== undefined && typeof given.now !== "number") throw new Error("now must be a number of milliseconds");
  const nothing = Object.fromEntries(TEXTS.map((name) => [name, ""]));
  return { ...nothing, method: "GET", path: "/", transport: "header", now: Date.now(), ...given } as unknown as Signed;
}

function checkOneOf(name: string, value: unknown, values: readonly unknown[]): void {
  if (value !== undefined && !values.includes(value)) throw new Error(`${name} must be one of ${values.join(", ")}`);
}

/** As logins are compared, nearly: case and Unicode form do not count. */
function folded(login: string): string {
  return login.normalize("NFKC").toLowerCase();
}
