import type { Ports } from "../../context.js";
import type { Caller } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import {
  checkBody,
  checkExpiry,
  isForm,
  isSignedWith,
  type Signature,
  type SignedCall,
} from "../../kernel/signature.js";
import { fetchSigner, type Signer } from "../accounts/index.js";
import * as store from "./store.js";

/** How far apart the clocks of nodes may be: for as long a used signature is remembered past its end. */
const CLOCK_MARGIN = 5 * 60_000;

/**
 * A signature is proof of one call, and does not end while that runs, unless its secret is changed. What a call opens that
 * brings more of them, such as a socket, has to end by itself.
 */
const NEVER = new Date(8.64e15);

/** What is longer is nobody's login, and not worth the memory. */
const LONGEST_KEY = 256;

/** What a login that cannot sign is checked with, so that its refusal costs as much. */
const NOBODYS_SECRET = "nobody";

/** Who signed a call: our policy, after the scheme itself. */
export async function callerOfSignature(ports: Ports, call: SignedCall): Promise<Caller> {
  const { signature, request, body, once } = call;
  if (ports.settings.auth.signatures === "off") {
    throw new DomainError("INVALID_SIGNATURE", "This server takes no signatures.");
  }
  const now = ports.clock.now().getTime();
  checkExpiry(signature, now);
  if (Number(signature.expires) > now + ports.settings.auth.signatureMaxAge)
    throw new DomainError("SIGNATURE_TOO_LONG");
  checkBody(signature, body);
  if (isForm(request) && request.query !== "") {
    throw new DomainError(
      "INVALID_SIGNATURE",
      "The parameters in the URL of a signed form are not signed: leave them out.",
    );
  }
  // What may change something is not left to what was so a second ago.
  const signer = once ? await fetchSigner(ports, signature.login) : await rememberedSigner(ports, signature.login);
  const secret = signer && ports.key.open("signing-secret", signer.sealed, signer.accountId);
  const right = isSignedWith(secret ?? NOBODYS_SECRET, signature, request, body);
  if (signer === undefined || secret === undefined || !right) throw new DomainError("INVALID_SIGNATURE");
  if (once) await useOnce(ports, signature);
  const { accountId, roles, secretMark } = signer;
  return { kind: "account", via: "signature", accountId, roles, secretMark, expiresAt: NEVER };
}

/** Drops the signers this and the other nodes remember. */
export function forgetSigners(ports: Ports): void {
  signerCache(ports).clear();
}

async function useOnce(ports: Ports, { digest, expires }: Signature): Promise<void> {
  const use = { digest: Buffer.from(digest, "base64"), expiresAt: new Date(Number(expires) + CLOCK_MARGIN) };
  const taken = await store.useSignature({ db: ports.database }, use);
  if (taken.length === 0) throw new DomainError("SIGNATURE_REPLAYED");
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
