import type { Ports } from "../../context.js";
import type { Caller } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import {
  checkBody,
  checkExpiry,
  coversForm,
  isSignedWith,
  isWeak,
  isWide,
  type SignedCall,
} from "../../kernel/signature.js";
import { fetchSigner, type Signer, signerSubject } from "../accounts/index.js";
import { callerOfKeySignature } from "./api-key-signature.js";
import { decoySeal, NOBODYS_SECRET } from "./decoy.js";
import { trySignature } from "./signature-tries.js";
import { useOnce } from "./signature-use.js";

/**
 * A signature is proof of one call, and does not end while that runs, unless its secret is changed. What a call opens that
 * brings more of them, such as a socket, has to end by itself.
 */
const NEVER = new Date(8.64e15);

/** What is longer is nobody's login, and not worth the memory. */
const LONGEST_KEY = 256;

/** Who signed a call, with a secret or with an API key. */
export function callerOfSignature(ports: Ports, call: SignedCall): Promise<Caller> {
  return call.by === "key" ? callerOfKeySignature(ports, call) : callerOfSecret(ports, call);
}

/** Drops the signers this and the other nodes remember. */
export function forgetSigners(ports: Ports): void {
  signerCache(ports).clear();
}

/** Our policy, after the scheme itself. */
async function callerOfSecret(ports: Ports, call: SignedCall & { by: "secret" }): Promise<Caller> {
  const { signature, body, once } = call;
  checkPolicy(ports, call);
  checkBody(signature, body);
  const subject = signerSubject(signature.login);
  // A login that nobody can have is no guess.
  const compare = () => provenSigner(ports, call);
  const signer = await (subject === undefined
    ? compare()
    : trySignature(ports, { subject, address: call.address }, compare));
  if (once) {
    await useOnce(ports, { digest: Buffer.from(signature.digest, "base64"), endsAt: Number(signature.expires) });
  }
  const { accountId, roles, secretMark } = signer;
  return { kind: "account", via: "signature", accountId, roles, secretMark, expiresAt: NEVER };
}

/** Throws INVALID_SIGNATURE, at the same cost for a login that nobody has. */
async function provenSigner(ports: Ports, call: SignedCall & { by: "secret" }): Promise<Signer> {
  const { signature, request, body, once } = call;
  // What may change something is not left to what was so a second ago.
  const signer = once ? await fetchSigner(ports, signature.login) : await rememberedSigner(ports, signature.login);
  const decoy = decoySeal(ports.key, "signing-secret");
  const secret = ports.key.open("signing-secret", signer?.sealed ?? decoy.sealed, signer?.accountId ?? decoy.boundTo);
  const right = isSignedWith(secret ?? NOBODYS_SECRET, signature, request, body);
  if (signer === undefined || secret === undefined || !right) throw new DomainError("INVALID_SIGNATURE");
  return signer;
}

/** What is asked of every signature, whoever made it. */
function checkPolicy({ settings, clock }: Ports, { signature, request, once }: SignedCall & { by: "secret" }): void {
  const now = clock.now().getTime();
  if (settings.auth.signatures === "off") {
    throw new DomainError("INVALID_SIGNATURE", "This server takes no signatures.");
  }
  if (isWeak(signature) && !settings.auth.signatureSha1) {
    throw new DomainError("SIGNATURE_VERSION", "This server takes no signatures that are made with SHA-1.");
  }
  checkExpiry(signature, now);
  if (Number(signature.expires) > now + settings.auth.signatureMaxAge) throw new DomainError("SIGNATURE_TOO_LONG");
  if (isWide(signature) && once) throw new DomainError("SIGNATURE_TOO_WIDE");
  if (coversForm(signature, request) && request.query !== "") {
    throw new DomainError(
      "INVALID_SIGNATURE",
      "The parameters in the URL of a signed form are not signed: leave them out.",
    );
  }
}

async function rememberedSigner(ports: Ports, login: string): Promise<Signer | undefined> {
  if (login.length > LONGEST_KEY) return fetchSigner(ports, login);
  const kept = signerCache(ports).through(login, async () => ({ signer: await fetchSigner(ports, login) }));
  return (kept instanceof Promise ? await kept : kept).signer;
}

/** Secrets are kept sealed here as in the database, and logins that cannot sign as those that can. */
function signerCache(ports: Ports) {
  return ports.caches.create<{ signer: Signer | undefined }>("backstay.signers", { max: 10_000, ttlMs: 1_000 });
}
