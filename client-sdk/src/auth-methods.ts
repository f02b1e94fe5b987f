import type { AuthService } from "./gen/backstay/auth/v1/auth_pb.js";
import type { ServiceClient } from "./service-client.js";

type Auth = ServiceClient<typeof AuthService>;

/** What of AuthService an app calls as it is, with an example each; the protos say the rest. */
export interface AuthMethods {
  /**
   * The sign-ins of the account that still stand, newest first.
   *
   * ```ts
   * const { devices } = await client.auth.listDevices();
   * for (const { deviceId, name, current } of devices) if (!current) offerToEnd(deviceId, name);
   * ```
   */
  listDevices: Auth["listDevices"];
  /**
   * Ends one of the account's sign-ins: its tokens, cookie and streams within a second.
   *
   * ```ts
   * await client.auth.revokeDevice({ deviceId });
   * ```
   */
  revokeDevice: Auth["revokeDevice"];
  /**
   * Ends all sign-ins of the account but this one.
   *
   * ```ts
   * const { revokedCount } = await client.auth.revokeOtherDevices();
   * ```
   */
  revokeOtherDevices: Auth["revokeOtherDevices"];
  /**
   * Changes the secret; the account's other sign-ins end. Rejects: `WRONG_SECRET`, `SECRET_TOO_SHORT`.
   *
   * ```ts
   * await client.auth.changeSecret({ old: before, new: after });
   * ```
   */
  changeSecret: Auth["changeSecret"];
  /**
   * Makes a key that a program proves itself with. It is shown here and never again.
   *
   * ```ts
   * const { key } = await client.auth.createApiKey({ name: "backup", scopes: ["messages:read"] });
   * ```
   */
  createApiKey: Auth["createApiKey"];
  /**
   * Sends a code to the verified address of the account of a login; the answer is the same when there is none.
   *
   * ```ts
   * await client.auth.requestSecretReset({ login });
   * await client.auth.resetSecret({ login, code: typed, secret });
   * await client.auth.signIn({ login, secret });
   * ```
   */
  requestSecretReset: Auth["requestSecretReset"];
  /** Gives an account another secret, by the code that was sent to it; see `requestSecretReset`. Rejects: `INVALID_CODE`. */
  resetSecret: Auth["resetSecret"];
  /**
   * Sends a code to the account's e-mail address, which shows that the address is its own.
   *
   * ```ts
   * await client.auth.requestVerification();
   * await client.auth.verify({ email, code: typed });
   * ```
   */
  requestVerification: Auth["requestVerification"];
  /** Shows, by the code that was sent there, whose an e-mail address is; see `requestVerification`. Rejects: `INVALID_CODE`. */
  verify: Auth["verify"];
  /**
   * Draws the secret of an authenticator app, which counts once a code of it was confirmed. Rejects: `RECENT_SIGN_IN_REQUIRED`
   * when the sign-in is older than 15 minutes, or what the server says: sign in again, and repeat it.
   *
   * ```ts
   * const { uri } = await client.auth.enrollTotp();
   * showQrCode(uri);
   * const { recoveryCodes } = await client.auth.confirmTotp({ code: typed });
   * ```
   */
  enrollTotp: Auth["enrollTotp"];
  /** Turns the authenticator on and answers the recovery codes, this once; see `enrollTotp`. Rejects: `INVALID_CODE`. */
  confirmTotp: Auth["confirmTotp"];
  /**
   * Begins to register a passkey. Rejects: `RECENT_SIGN_IN_REQUIRED`; see `enrollTotp`.
   *
   * ```ts
   * const { challengeId, options } = await client.auth.beginRegistration();
   * const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
   * const credential = (await navigator.credentials.create({ publicKey })).toJSON();
   * await client.auth.finishRegistration({ challengeId, credential, name: "phone" });
   * ```
   */
  beginRegistration: Auth["beginRegistration"];
  /** Begins to sign in with a passkey; see `finishSignIn`. */
  beginSignIn: Auth["beginSignIn"];
  /**
   * Gives the account, which has none, a login and secret; its id and what is linked to it stay. Rejects: `LOGIN_PRESENT`,
   * `LOGIN_TAKEN`.
   *
   * ```ts
   * await client.auth.upgradeAnonymous({ login: "ada", secret });
   * ```
   */
  upgradeAnonymous: Auth["upgradeAnonymous"];
  /**
   * Begins to sign in at an identity provider; see `finishOAuth`.
   *
   * ```ts
   * const { url, flowToken } = await client.auth.startOAuth({ provider: "example", redirectTo: "/signed-in" });
   * sessionStorage.setItem("flow", flowToken);
   * location.assign(url);
   * ```
   */
  startOAuth: Auth["startOAuth"];
  /**
   * The ways in to the account, oldest first.
   *
   * ```ts
   * const { identities } = await client.auth.listIdentities();
   * ```
   */
  listIdentities: Auth["listIdentities"];
}
