import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { isoCBOR } from "@simplewebauthn/server/helpers";

/** What a page and a device do otherwise than they should. */
export interface Faults {
  /** The page's. */
  origin?: string;
  /** Whom the device believes to be asked by. */
  rpId?: string;
  challenge?: string;
  type?: string;
  /** Whether the device has asked for its PIN or biometrics. */
  verified?: boolean;
  /** How often the passkey was used, in place of once more. */
  counter?: number;
  userHandle?: string;
  attestation?: { fmt: string; attStmt: Map<string, unknown> };
  /** Signs with another key. */
  forged?: boolean;
}

type Json = Record<string, unknown>;
interface Options {
  challenge: string;
  rp?: { id: string };
  rpId?: string;
  user?: { id: string };
}

/** A passkey that a test holds in its hands, and the page that asks for it. */
export interface SoftPasskey {
  readonly id: string;
  /** What `navigator.credentials.create` gives for the options. */
  create(options: Options, faults?: Faults): Json;
  /** What `navigator.credentials.get` gives for them. */
  get(options: Options, faults?: Faults): Json;
}

/** Makes one for a page of `origin`. One that does not count says 0 for ever, as passkeys that are synchronised do. */
export function softPasskey(origin: string, { counts = true } = {}): SoftPasskey {
  const keys = keyPair();
  const credentialId = randomBytes(32);
  const id = credentialId.toString("base64url");
  let used = 0;
  let userHandle = "";

  const clientData = (type: string, { challenge }: Options, faults: Faults) =>
    Buffer.from(
      JSON.stringify({
        type: faults.type ?? type,
        challenge: faults.challenge ?? challenge,
        origin: faults.origin ?? origin,
        crossOrigin: false,
      }),
    );
  const authenticatorData = (rpId: string, flags: number, faults: Faults) => {
    const head = Buffer.alloc(37);
    sha256(faults.rpId ?? rpId).copy(head);
    head[32] = flags | (faults.verified === false ? 0 : 0x04);
    head.writeUInt32BE(faults.counter ?? (counts ? used : 0), 33);
    return head;
  };
  const credential = (response: Json) => ({ id, rawId: id, type: "public-key", response, clientExtensionResults: {} });

  return {
    id,
    create(options, faults = {}) {
      userHandle = options.user!.id;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(credentialId.length);
      const head = authenticatorData(options.rp!.id, 0x41, faults);
      const authData = Buffer.concat([head, Buffer.alloc(16), length, credentialId, keys.cose]);
      const { fmt, attStmt } = faults.attestation ?? { fmt: "none", attStmt: new Map() };
      const attestation = isoCBOR.encode(
        new Map<string, unknown>([
          ["fmt", fmt],
          ["attStmt", attStmt],
          ["authData", new Uint8Array(authData)],
        ]) as never,
      );
      return credential({
        clientDataJSON: clientData("webauthn.create", options, faults).toString("base64url"),
        attestationObject: Buffer.from(attestation).toString("base64url"),
        transports: ["internal"],
      });
    },
    get(options, faults = {}) {
      used++;
      const data = clientData("webauthn.get", options, faults);
      const authData = authenticatorData(options.rpId!, 0x01, faults);
      const { privateKey } = faults.forged ? keyPair() : keys;
      return credential({
        clientDataJSON: data.toString("base64url"),
        authenticatorData: authData.toString("base64url"),
        signature: sign("sha256", Buffer.concat([authData, sha256(data)]), privateKey).toString("base64url"),
        userHandle: faults.userHandle ?? userHandle,
      });
    },
  };
}

function keyPair() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x, y } = publicKey.export({ format: "jwk" });
  const bytes = (text: string) => new Uint8Array(Buffer.from(text, "base64url"));
  const key = new Map<number, number | Uint8Array>([
    [1, 2],
    [3, -7],
    [-1, 1],
    [-2, bytes(x!)],
    [-3, bytes(y!)],
  ]);
  return { privateKey, cose: Buffer.from(isoCBOR.encode(key as never)) };
}

function sha256(data: string | Uint8Array): Buffer {
  return createHash("sha256").update(data).digest();
}
