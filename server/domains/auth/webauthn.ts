import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from "@simplewebauthn/server";
import { COSEALG, decodeAttestationObject, decodeClientDataJSON, isoBase64URL } from "@simplewebauthn/server/helpers";
import { DomainError } from "../../kernel/errors.js";
import type { JsonObject } from "../../kernel/jobs.js";
import type { RelyingParty } from "./relying-party.js";
import type { PasskeyDetail } from "./store-passkeys.js";

const ALGORITHMS = [COSEALG.ES256, COSEALG.EdDSA, COSEALG.RS256];
/** As long as an id is kept. */
const MOST_ID = 1024;
const TRANSPORT = /^[a-z-]{1,32}$/;

type RegistrationResponse = Parameters<typeof verifyRegistrationResponse>[0]["response"];
type AuthenticationResponse = Parameters<typeof verifyAuthenticationResponse>[0]["response"];

/** What a browser is asked for, and the part of it that the answer has to show. */
export interface Asked {
  readonly options: JsonObject;
  readonly challenge: string;
}

/** Whose passkey is to be made. */
export interface Owner {
  readonly accountId: string;
  /** What tells this account from others of the same person. */
  readonly login: string;
  readonly name: string;
  /** The passkeys he has: a device that holds one is not to make another. */
  readonly known: readonly { readonly id: string; readonly transports: string[] }[];
}

/** Asks for a new passkey: one that the device finds by itself, and uses after its PIN or biometrics only. */
export async function askForPasskey(party: RelyingParty, rpName: string, owner: Owner, ttl: number): Promise<Asked> {
  const options = await generateRegistrationOptions({
    rpName,
    rpID: party.id,
    userID: userHandle(owner.accountId),
    userName: owner.login,
    userDisplayName: owner.name,
    timeout: ttl,
    // Which make a device is of is nothing that we ask.
    attestationType: "none",
    excludeCredentials: [...owner.known],
    authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
    supportedAlgorithmIDs: ALGORITHMS,
  });
  return { options: plain(options), challenge: options.challenge };
}

/** Asks for a passkey of whoever is there. */
export async function askForSignIn(party: RelyingParty, ttl: number): Promise<Asked> {
  const options = await generateAuthenticationOptions({ rpID: party.id, timeout: ttl, userVerification: "required" });
  return { options: plain(options), challenge: options.challenge };
}

/** The passkey in what a browser made of it. Throws INVALID_PASSKEY. */
export async function newPasskey(
  party: RelyingParty,
  challenge: string,
  credential: JsonObject,
): Promise<{ id: string; detail: PasskeyDetail }> {
  const response = credential as unknown as RegistrationResponse;
  const { registrationInfo } = await orInvalid(async () => {
    checkAttestation(response);
    return verifyRegistrationResponse({
      response,
      expectedChallenge: challenge,
      expectedOrigin: expectedOrigin(party, response),
      expectedRPID: party.id,
      supportedAlgorithmIDs: ALGORITHMS,
    });
  });
  if (registrationInfo === undefined) throw invalid();
  const { credential: made, credentialBackedUp: backedUp, credentialDeviceType: deviceType } = registrationInfo;
  if (made.id.length > MOST_ID) throw invalid();
  const detail = {
    publicKey: isoBase64URL.fromBuffer(made.publicKey),
    counter: made.counter,
    transports: transportsOf(made.transports),
    backedUp,
    deviceType,
  };
  return { id: made.id, detail };
}

/** The id that an answer is of; no more than a text that somebody sent. Throws INVALID_PASSKEY. */
export function sentId({ id }: JsonObject): string {
  if (typeof id !== "string" || id.length > MOST_ID || !isoBase64URL.isBase64URL(id)) throw invalid();
  return id;
}

/**
 * Whether an answer proves the passkey of an account; tells how often it was used, as it says itself, which is not compared with
 * anything yet. Throws INVALID_PASSKEY.
 */
export async function provedPasskey(
  party: RelyingParty,
  challenge: string,
  credential: JsonObject,
  kept: { accountId: string; detail: PasskeyDetail },
): Promise<{ counter: number; backedUp: boolean }> {
  const response = credential as unknown as AuthenticationResponse;
  const { verified, authenticationInfo } = await orInvalid(async () => {
    if (response.response.userHandle !== isoBase64URL.fromBuffer(userHandle(kept.accountId))) throw invalid();
    return verifyAuthenticationResponse({
      response,
      expectedChallenge: challenge,
      expectedOrigin: expectedOrigin(party, response),
      expectedRPID: party.id,
      // Of the counter the database decides: two answers may come at once.
      credential: { id: response.id, publicKey: isoBase64URL.toBuffer(kept.detail.publicKey), counter: 0 },
    });
  });
  if (!verified) throw invalid();
  return { counter: authenticationInfo.newCounter, backedUp: authenticationInfo.credentialBackedUp };
}

/** What the device gives back with an answer: whose it is. */
function userHandle(accountId: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(accountId, "hex"));
}

/** The origin of the page that asked, when it may; the library compares with it. */
function expectedOrigin(party: RelyingParty, { response }: { response: { clientDataJSON: string } }): string {
  const { origin } = decodeClientDataJSON(response.clientDataJSON);
  if (!party.isExpected(origin)) throw invalid();
  return origin;
}

/**
 * None is asked for, so that a browser sends none, or what the new key says of itself. Certificates are never looked at: their
 * check would follow URLs that their sender has chosen.
 */
function checkAttestation({ response }: RegistrationResponse): void {
  const attestation = decodeAttestationObject(isoBase64URL.toBuffer(response.attestationObject));
  const format = attestation.get("fmt");
  if (format === "none" || (format === "packed" && attestation.get("attStmt").get("x5c") === undefined)) return;
  throw invalid();
}

function transportsOf(sent: unknown): string[] {
  if (!Array.isArray(sent)) return [];
  return sent.filter((one): one is string => typeof one === "string" && TRANSPORT.test(one)).slice(0, 8);
}

/** What somebody sent may be anything: whatever the library stumbles over is not a passkey's answer. */
async function orInvalid<T>(verify: () => Promise<T>): Promise<T> {
  try {
    return await verify();
  } catch {
    throw invalid();
  }
}

function plain(options: object): JsonObject {
  return JSON.parse(JSON.stringify(options)) as JsonObject;
}

function invalid(): DomainError {
  return new DomainError("INVALID_PASSKEY");
}
