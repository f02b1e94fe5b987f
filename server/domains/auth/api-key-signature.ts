import type { Ports } from "../../context.js";
import type { Caller } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import {
  checkHttpBody,
  checkHttpTime,
  type HttpSignature,
  isMadeWith,
  WINDOW_SECONDS,
} from "../../kernel/http-signature.js";
import { parseId } from "../../kernel/ids.js";
import { sha256 } from "../../kernel/instance-key.js";
import type { SignedCall } from "../../kernel/signature.js";
import { callerWith, fetchKey } from "./api-key-callers.js";
import { decoySeal, NOBODYS_SECRET } from "./decoy.js";
import { noteRight, noteWrong } from "./known-proofs.js";
import { useOnce } from "./signature-use.js";
import type { ShownKey } from "./store-api-keys.js";

/** Who signed a request with an API key. A key that is unknown, revoked or a banned account's is refused as a wrong signature. */
export async function callerOfKeySignature(ports: Ports, call: SignedCall & { by: "key" }): Promise<Caller> {
  const { signature, body, once, address } = call;
  checkHttpTime(signature, ports.clock.now().getTime());
  checkHttpBody(signature, body);
  const id = parseId(signature.keyId);
  const shown = { by: "key", keyId: signature.keyId, address } as const;
  let known = id === undefined ? undefined : await fetchKey(ports, id, false);
  let right = isMadeBy(ports, known, signature);
  // What may change something is not left to what was so a second ago; but what is wrong by that costs no look of its own.
  if (once && id !== undefined && (known === undefined || right)) {
    known = await fetchKey(ports, id, true);
    right = isMadeBy(ports, known, signature);
  }
  // Anyone can name the id of a key that stands, so a wrong signature says nothing against whoever signs with it rightly.
  if (known === undefined) noteWrong(ports, shown);
  if (known === undefined || !right) {
    throw new DomainError("INVALID_SIGNATURE", "The key is unknown, or the signature is not of this request.");
  }
  const caller = callerWith(ports, known, shown);
  noteRight(ports, shown);
  if (once) {
    const digest = sha256(JSON.stringify([known.id, signature.nonce]));
    await useOnce(ports, { digest, endsAt: (signature.created + WINDOW_SECONDS) * 1000 });
  }
  return caller;
}

/** Whether a signature was made with a key; looking takes as long where there is none. */
function isMadeBy(ports: Ports, known: ShownKey | undefined, signature: HttpSignature): boolean {
  const decoy = decoySeal(ports.key, "api-key");
  const key = ports.key.open("api-key", known?.keySealed ?? decoy.sealed, known?.id ?? decoy.boundTo);
  return isMadeWith(key ?? NOBODYS_SECRET, signature) && known !== undefined && key !== undefined;
}
