import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { BackstayError, toBackstayError } from "./backstay-error.js";
import type { Call, CallOptions } from "./call.js";
import { AuthService, type SignInRequestSchema, type SignInResponse } from "./gen/backstay/auth/v1/auth_pb.js";
import type { Tokens } from "./gen/backstay/auth/v1/tokens_pb.js";
import { createServiceClient, type ServiceClient } from "./service-client.js";
import { type AuthChange, fixedToken, type Session } from "./session.js";
import type { StoredTokens } from "./token-store.js";

/** Signing in and out. The tokens are kept, sent and renewed by the client; an app never handles them. */
export interface AuthClient
  extends Pick<ServiceClient<typeof AuthService>, "getCurrent" | "completeSetup" | "changeSecret" | "startSession"> {
  /** The tokens in use; undefined when nobody is signed in, with a fixed token, and until a slow store has answered. */
  readonly tokens: StoredTokens | undefined;
  /**
   * Signs in and keeps the tokens; whoever was signed in on this client before no longer is.
   * Rejects: `INVALID_CREDENTIALS` for an unknown login or a wrong secret, `TOO_MANY_SIGN_INS` when the server is busy
   * comparing others, `FIXED_TOKEN` when the client was created with a token.
   *
   * ```ts
   * const { account } = await client.auth.signIn({ login: "ada", secret });
   * ```
   */
  signIn(request: MessageInitShape<typeof SignInRequestSchema>, options?: CallOptions): Promise<SignInResponse>;
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
}

/** Makes `client.auth`. */
export function createAuthClient(call: Call, session: Session): AuthClient {
  const { getCurrent, completeSetup, changeSecret, startSession } = createServiceClient(AuthService, call);
  return {
    getCurrent,
    completeSetup,
    changeSecret,
    startSession,
    get tokens() {
      return session.tokens;
    },
    async signIn(request, options) {
      if (session.fixed) throw fixedToken();
      const response = await call(AuthService.method.signIn, request, options);
      const owner = { accountId: response.account?.id ?? "", deviceId: response.deviceId };
      await session.replace(storedTokens(response.tokens, owner)).catch(rethrow);
      return response;
    },
    async signOut(options) {
      try {
        if (session.fixed || (await session.bearer().catch(rethrow)))
          await call(AuthService.method.signOut, {}, options);
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
