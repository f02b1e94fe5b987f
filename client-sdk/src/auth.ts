import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { AuthMethods } from "./auth-methods.js";
import { BackstayError, toBackstayError } from "./backstay-error.js";
import type { Call, CallOptions } from "./call.js";
import type { VerifyAuditLogResponse } from "./gen/backstay/auth/v1/audit_pb.js";
import { AuthService, type SignInRequestSchema, type SignInResponse } from "./gen/backstay/auth/v1/auth_pb.js";
import type { SignInAnonymouslyRequestSchema, SignInAnonymouslyResponse } from "./gen/backstay/auth/v1/identity_pb.js";
import type { FinishOAuthRequestSchema, FinishOAuthResponse } from "./gen/backstay/auth/v1/oauth_pb.js";
import type { FinishSignInRequestSchema, FinishSignInResponse } from "./gen/backstay/auth/v1/passkey_pb.js";
import type { Tokens } from "./gen/backstay/auth/v1/tokens_pb.js";
import { type ReadOptions, type ReadParts, readStream } from "./read-stream.js";
import { createServiceClient, type ServiceClient } from "./service-client.js";
import { type AuthChange, fixedToken } from "./session.js";
import type { StoredTokens } from "./token-store.js";

/** What the client does more about than to call it. */
type Kept = "signIn" | "signInAnonymously" | "finishSignIn" | "finishOAuth" | "signOut" | "refresh";

/** Signing in and out. The tokens are kept, sent and renewed by the client; an app never handles them. */
export interface AuthClient extends AuthMethods, Omit<ServiceClient<typeof AuthService>, Kept | keyof AuthMethods> {
  /** The tokens in use; undefined when nobody is signed in, with a fixed token, and until a slow store has answered. */
  readonly tokens: StoredTokens | undefined;
  /**
   * Signs in and keeps the tokens; whoever was signed in on this client before no longer is.
   * Rejects: `INVALID_CREDENTIALS` for an unknown login or a wrong secret, `OTP_REQUIRED` when a code of the account's
   * authenticator is wanted too, `TOO_MANY_TRIES` after too many wrong secrets, `TOO_MANY_SIGN_INS` when the server is busy
   * comparing others, `FIXED_TOKEN` when the client was created with a token.
   *
   * ```ts
   * const { account } = await client.auth.signIn({ login: "ada", secret });
   * ```
   */
  signIn(request: MessageInitShape<typeof SignInRequestSchema>, options?: CallOptions): Promise<SignInResponse>;
  /**
   * Makes an account without login or secret, signs in to it and keeps the tokens, as signIn does: whoever loses them loses the
   * account, until `upgradeAnonymous` has given it a login. Rejects: `ANONYMOUS_OFF`, `FIXED_TOKEN`.
   *
   * ```ts
   * if (!client.auth.tokens) await client.auth.signInAnonymously({ name: "Guest" });
   * ```
   */
  signInAnonymously(
    request?: MessageInitShape<typeof SignInAnonymouslyRequestSchema>,
    options?: CallOptions,
  ): Promise<SignInAnonymouslyResponse>;
  /**
   * Signs in with a passkey and keeps the tokens, as signIn does. Rejects: `INVALID_PASSKEY`, `CHALLENGE_GONE`, `FIXED_TOKEN`.
   *
   * ```ts
   * const { challengeId, options } = await client.auth.beginSignIn();
   * const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
   * const credential = (await navigator.credentials.get({ publicKey })).toJSON();
   * await client.auth.finishSignIn({ challengeId, credential });
   * ```
   */
  finishSignIn(
    request: MessageInitShape<typeof FinishSignInRequestSchema>,
    options?: CallOptions,
  ): Promise<FinishSignInResponse>;
  /**
   * Signs in with what an identity provider sent the browser back with, and keeps the tokens, as signIn does. Rejects:
   * `PROVIDER_REFUSED`, `CHALLENGE_GONE`, `REGISTRATION_CLOSED`, `FIXED_TOKEN`.
   *
   * ```ts
   * const { code, state } = Object.fromEntries(new URLSearchParams(location.search));
   * await client.auth.finishOAuth({ provider: "example", code, state, flowToken: sessionStorage.getItem("flow") });
   * ```
   */
  finishOAuth(
    request: MessageInitShape<typeof FinishOAuthRequestSchema>,
    options?: CallOptions,
  ): Promise<FinishOAuthResponse>;
  /**
   * Revokes the tokens on the server and forgets them here. They are forgotten in any case; a rejection says that the
   * server was not told, so that they live there until they end by themselves.
   */
  signOut(options?: CallOptions): Promise<void>;
  /**
   * Renews the tokens now; the client does so by itself when it is time. Rejects with `unauthenticated` when nobody is
   * signed in or the server takes the tokens no longer, and then nobody is.
   */
  refresh(): Promise<void>;
  /**
   * Calls back when someone signed in or out, here or in another tab, and when tokens were renewed, until the returned
   * function is called.
   *
   * ```ts
   * const stop = client.auth.onChange(({ event }) => event === "signed_out" && showSignIn());
   * ```
   */
  onChange(listener: (change: AuthChange) => void): () => void;
  /**
   * Has the server check its audit log, and tells how far it is; for administrators. The last part is `done` and says in `fault`
   * what is wrong, if anything is.
   *
   * ```ts
   * for await (const { checkedCount, done, fault } of client.auth.verifyAuditLog()) show(checkedCount, done, fault);
   * ```
   */
  verifyAuditLog(options?: ReadOptions): AsyncIterable<VerifyAuditLogResponse>;
}

/** The answer of every way of signing in. */
interface SignedIn {
  account?: { id: string };
  tokens?: Tokens;
  deviceId: string;
}

/** Makes `client.auth`. */
export function createAuthClient(parts: ReadParts & { call: Call }): AuthClient {
  const { call, session } = parts;
  /** Signs in by a method, and keeps what it answers. */
  const signInBy = async <I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options?: CallOptions,
  ): Promise<MessageShape<O>> => {
    if (session.fixed) throw fixedToken();
    const response = await call(method, request, options);
    const { account, tokens, deviceId } = response as unknown as SignedIn;
    await session.replace(storedTokens(tokens, { accountId: account?.id ?? "", deviceId })).catch(rethrow);
    return response;
  };
  const { method } = AuthService;
  return {
    ...createServiceClient(AuthService, call),
    get tokens() {
      return session.tokens;
    },
    async signIn(request, options) {
      const known = request.deviceToken || (await session.deviceToken());
      const response = await signInBy(method.signIn, { ...request, ...(known && { deviceToken: known }) }, options);
      await session.keepDevice(response.deviceToken);
      return response;
    },
    signInAnonymously: (request = {}, options) => signInBy(method.signInAnonymously, request, options),
    finishSignIn: (request, options) => signInBy(method.finishSignIn, request, options),
    finishOAuth: (request, options) => signInBy(method.finishOAuth, request, options),
    verifyAuditLog: (options) => readStream(parts, method.verifyAuditLog, {}, options),
    async signOut(options) {
      try {
        if (session.fixed || (await session.bearer().catch(rethrow))) await call(method.signOut, {}, options);
      } catch (error) {
        if (!BackstayError.is(error, "unauthenticated")) throw error;
      } finally {
        await session.replace(undefined).catch(rethrow);
      }
    },
    refresh: () => session.refresh().catch(rethrow),
    onChange: session.onChange,
  };
}

/** The tokens of an answer as a store keeps them. */
export function storedTokens(
  tokens: Tokens | undefined,
  { accountId, deviceId }: Pick<StoredTokens, "accountId" | "deviceId">,
): StoredTokens {
  if (!tokens) throw new BackstayError("the server answered without tokens", { code: "internal" });
  return {
    accessToken: tokens.accessToken,
    accessExpiresAt: tokens.accessExpireTime ? timestampMs(tokens.accessExpireTime) : 0,
    refreshToken: tokens.refreshToken,
    refreshExpiresAt: tokens.refreshExpireTime ? timestampMs(tokens.refreshExpireTime) : 0,
    accountId,
    deviceId,
  };
}

function rethrow(thrown: unknown): never {
  throw toBackstayError(thrown);
}
