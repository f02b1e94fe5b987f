import { DomainError } from "./errors.js";

/** What the header `signature-input` says of the one signature it may have. */
export interface SignatureInput {
  /** What the sender calls it. */
  readonly label: string;
  /** What is covered, in the order that was signed. */
  readonly components: readonly string[];
  /** The covered components and the parameters, as they are signed: `("@method" ...);created=...`. */
  readonly text: string;
  /** Seconds since 1970. */
  readonly created: number;
  /** Seconds since 1970; undefined when the sender did not say. */
  readonly expires: number | undefined;
  readonly keyId: string;
  readonly nonce: string;
}

/** The parameters a signature may have, and how each is written. */
const PARAMETERS: Readonly<Record<string, RegExp>> = {
  created: /^[0-9]{1,12}$/,
  expires: /^[0-9]{1,12}$/,
  keyid: /^"[!#-[\]-~]{1,64}"$/,
  nonce: /^"[!#-[\]-~]{16,128}"$/,
  alg: /^"[!#-[\]-~]{1,64}"$/,
  tag: /^"[ !#-[\]-~]{0,128}"$/,
};

const REQUIRED = ["created", "keyid", "nonce"] as const;

const MEMBER = /^([a-z*][a-z0-9_.*-]{0,63})=(\([^()]*\))((?:;[^;]*)*)$/;
const QUOTED = /"[^"]*"/g;
const COMPONENT = /^"(@?[a-z0-9!#$%&'*+.^_`|~-]{1,64})"$/;
const MOST_COMPONENTS = 32;
const SIGNATURE = /^([a-z*][a-z0-9_.*-]{0,63})=:([A-Za-z0-9+/]+={0,2}):$/;
const DIGEST = /^sha-256=:([A-Za-z0-9+/]{43}=):$/;

/**
 * Reads `signature-input`: a dictionary of structured fields with exactly one signature, written as RFC 8941 would write it,
 * without any freedom in it. Throws MALFORMED_SIGNATURE, SIGNATURE_INCOMPLETE when a parameter is missing, SIGNATURE_VERSION
 * for another algorithm.
 */
export function parseSignatureInput(header: string): SignatureInput {
  // Nothing that a signature has may contain a comma outside of quotes.
  if (header.replace(QUOTED, "").includes(",")) {
    throw malformed("The header signature-input has several signatures, of which one is allowed.");
  }
  const [, label, list, rest] = MEMBER.exec(header) ?? [];
  if (label === undefined) {
    throw malformed('The header signature-input must be one signature: sig=("@method" ...);created=...;keyid="...".');
  }
  const parameters = parseParameters(rest!);
  const { created, keyid, nonce, expires, alg } = parameters;
  const missing = REQUIRED.find((name) => parameters[name] === undefined);
  if (missing !== undefined) throw incomplete(`The signature has no parameter ${missing}.`);
  if (alg !== undefined && alg !== '"hmac-sha256"') {
    throw new DomainError("SIGNATURE_VERSION", "Only the algorithm hmac-sha256 is taken.");
  }
  return {
    label,
    components: parseComponents(list!),
    text: list! + rest!,
    created: Number(created),
    expires: expires === undefined ? undefined : Number(expires),
    keyId: keyid!.slice(1, -1),
    nonce: nonce!.slice(1, -1),
  };
}

/** The signature that the header `signature` has by this label, in bytes. Throws MALFORMED_SIGNATURE. */
export function parseSignatureBytes(header: string, label: string): Buffer {
  const [, name, base64] = SIGNATURE.exec(header) ?? [];
  if (name !== label)
    throw malformed("The header signature must be one signature by the label of signature-input: sig=:BASE64:.");
  return Buffer.from(base64!, "base64");
}

/** The SHA-256 in the header `content-digest`, and no other digest. Throws MALFORMED_SIGNATURE. */
export function parseContentDigest(header: string): Buffer {
  const [, base64] = DIGEST.exec(header) ?? [];
  if (base64 === undefined) throw malformed("The header content-digest must be sha-256=:BASE64:.");
  return Buffer.from(base64, "base64");
}

/** Throws SIGNATURE_INCOMPLETE. */
export function incomplete(message: string): DomainError {
  return new DomainError("SIGNATURE_INCOMPLETE", message);
}

function parseComponents(list: string): string[] {
  const items = list === "()" ? [] : list.slice(1, -1).split(" ");
  if (items.length > MOST_COMPONENTS) throw malformed(`A signature covers at most ${MOST_COMPONENTS} components.`);
  const components = items.map((item) => {
    const name = COMPONENT.exec(item)?.[1];
    if (name === undefined)
      throw malformed('A covered component is a name in quotes, such as "@path", without parameters.');
    return name;
  });
  if (new Set(components).size < components.length) throw malformed("A component is covered twice.");
  return components;
}

function parseParameters(text: string): Record<string, string> {
  const parameters: Record<string, string> = {};
  for (const piece of text.split(";").slice(1)) {
    const at = piece.indexOf("=");
    const name = piece.slice(0, at);
    const form = at > 0 && Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined;
    if (form === undefined) throw malformed(`The signature's parameters are ${Object.keys(PARAMETERS).join(", ")}.`);
    if (name in parameters) throw malformed(`The signature has the parameter ${name} twice.`);
    const value = piece.slice(at + 1);
    if (!form.test(value)) throw malformed(`The signature's parameter ${name} is not written as it must be.`);
    parameters[name] = value;
  }
  return parameters;
}

function malformed(message: string): DomainError {
  return new DomainError("MALFORMED_SIGNATURE", message);
}
