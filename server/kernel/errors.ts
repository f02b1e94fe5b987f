/**
 * Errors a caller can understand. Every reason an answer may carry stands in this table once, with the kind of error it
 * is; docs/errors.md is compared with it by a test. Anything that is not a DomainError is a defect of ours and leaves the
 * server as `internal`, without its text.
 */

/** The kinds of error, spelled as Connect spells its codes. */
export type ErrorKind =
  | "canceled"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "unauthenticated";

/** Reason -> kind, and one sentence for the manual. */
export const REASONS = {
  INVALID_FIELD: ["invalid_argument", "A field is out of its bounds; the field and the rule are named."],
  UNKNOWN_FIELD: ["invalid_argument", "The request has a field that the method does not know."],
  WRONG_TYPE: ["invalid_argument", "A field has a value of another type."],
  MALFORMED_BODY: ["invalid_argument", "The body is not what its content type says."],
  INVALID_UTF8: ["invalid_argument", "Text is not valid UTF-8."],
  NUL_IN_TEXT: ["invalid_argument", "Text contains a NUL character."],
  INVALID_HEADER: ["invalid_argument", "A header of the call, such as its time-out, is malformed."],
  INVALID_PAGE_TOKEN: ["invalid_argument", "The page token is damaged, or of another query."],
  INVALID_CURSOR: ["invalid_argument", "The event cursor is damaged."],
  UNKNOWN_COLUMN: ["invalid_argument", "There is no such column to read, filter or sort by."],
  INVALID_FILTER: ["invalid_argument", "A filter's operator and values do not fit each other or the column."],
  RESERVED_TYPE: ["invalid_argument", "The event type is one that only the server uses."],
  EVENT_TOO_LARGE: ["invalid_argument", "The event's data is larger than 64 KiB of JSON."],
  PRESENCE_TOO_LARGE: ["invalid_argument", "What is said on joining is larger than 1 KiB of JSON."],
  MALFORMED_FRAME: ["invalid_argument", "A frame is neither a path nor an object of JSON that says what to do."],
  UNKNOWN_OPERATION: ["unimplemented", "Nothing on this socket's path answers such a frame."],
  TOO_MANY_FRAMES: ["resource_exhausted", "The socket sends more than 50 frames a second."],
  INVALID_PATTERN: ["invalid_argument", "The text is no RE2 regular expression."],
  SECRET_IN_URL: ["invalid_argument", "A secret stands in a URL, where logs and histories keep it: send it in a body."],
  CHECKSUM_MISMATCH: ["invalid_argument", "The body is not the one whose checksum was signed."],
  INVALID_MASK: ["invalid_argument", "The field mask is empty or names a field that cannot be changed."],
  INVALID_REDIRECT: ["invalid_argument", "The page to return to is neither of this server nor of `cors.origins`."],
  UNSUPPORTED_MEDIA_TYPE: ["invalid_argument", "The content type is not one this path takes."],
  UNSUPPORTED_ENCODING: ["unimplemented", "The message is compressed in a way the server does not read."],
  METHOD_NOT_ALLOWED: ["unimplemented", "The path exists, but not for this HTTP method."],
  UNKNOWN_PATH: ["not_found", "Nothing answers at this path."],
  UNKNOWN_METHOD: ["unimplemented", "There is no such RPC."],
  NOT_BY_REST: [
    "unimplemented",
    "The method is asked by a stream of messages, which this path cannot bring: use gRPC.",
  ],
  HTTP2_REQUIRED: ["unimplemented", "The method streams both ways, which HTTP/1.1 cannot carry."],
  MESSAGE_TOO_LARGE: ["resource_exhausted", "The request is larger than `limits.message_bytes`."],
  RATE_LIMITED: ["resource_exhausted", "Too many calls of this class; try again after the time given."],
  TOO_MANY_SIGN_INS: ["resource_exhausted", "More secrets wait to be compared than the server can work off."],
  TOO_MANY_TRIES: ["resource_exhausted", "Too many wrong secrets or codes were tried; try again after the time given."],
  TOO_MANY_STREAMS: ["resource_exhausted", "The account, or the server, has as many streams open as it may."],
  TOO_MANY_SOCKETS: ["resource_exhausted", "The address has as many sockets open as it may."],
  SLOW_READER: ["resource_exhausted", "The stream's reader fell too far behind; resume with its last cursor."],
  DEADLINE_EXCEEDED: ["deadline_exceeded", "The call's own deadline passed before it was done."],
  QUERY_TIMEOUT: ["deadline_exceeded", "The database took longer than the server lets a statement run."],
  CALL_CANCELED: ["canceled", "The caller hung up."],
  TOKEN_MISSING: ["unauthenticated", "The method needs a signed-in caller and the call has no token."],
  INVALID_TOKEN: ["unauthenticated", "The token is unknown or damaged."],
  TOKEN_EXPIRED: ["unauthenticated", "The token has expired: refresh it, or sign in again."],
  TOKEN_REVOKED: ["unauthenticated", "The sign-in behind the stream was ended."],
  REFRESH_TOKEN_REUSED: ["unauthenticated", "A refresh token was used twice: that sign-in is revoked."],
  INVALID_CREDENTIALS: ["unauthenticated", "The login is unknown or the secret is wrong."],
  OTP_REQUIRED: ["unauthenticated", "The secret is right; the account wants a code of its authenticator as well."],
  INVALID_OTP: ["unauthenticated", "The code is not one that the account's authenticator shows now."],
  WRONG_SECRET: ["unauthenticated", "The old secret is wrong or missing; the token is as good as before."],
  INVALID_PASSKEY: ["unauthenticated", "The passkey is unknown, or its answer does not prove what was asked."],
  PROVIDER_REFUSED: ["unauthenticated", "The identity provider refused, or what it said does not hold."],
  INVALID_SIGNATURE: ["unauthenticated", "The login cannot sign, or the signature is not of this request."],
  MALFORMED_SIGNATURE: ["unauthenticated", "The signature is not `version|tag|login|digest|expires|checksum|`."],
  SIGNATURE_EXPIRED: ["unauthenticated", "The signature's time is over; the server's time is in the header `date`."],
  SIGNATURE_TOO_LONG: ["unauthenticated", "The signature is valid for longer than `auth.signature_max_age`."],
  SIGNATURE_REPLAYED: ["unauthenticated", "A signed request that changes something came a second time: sign it anew."],
  SIGNATURE_VERSION: ["unauthenticated", "The signature's version is not one this server takes."],
  SIGNATURE_TOO_WIDE: ["unauthenticated", "The signature is of no single request, so it proves reads alone."],
  SIGNATURE_INCOMPLETE: ["unauthenticated", "The signature leaves out something that it has to cover; it is named."],
  SIGNATURE_TIME: [
    "unauthenticated",
    "The signature was made more than 5 minutes from the server's time, which is given.",
  ],
  DIGEST_MISMATCH: ["unauthenticated", "The body is not the one of the signed header `content-digest`."],
  SIGNATURE_WINDOW: ["invalid_argument", "The signature asks to be valid for longer than 5 minutes."],
  SIGNATURES_OFF: ["failed_precondition", "This server keeps no secrets to check signatures with."],
  EMAIL_MISSING: ["failed_precondition", "The account has no e-mail address to send to."],
  LOGIN_PRESENT: ["failed_precondition", "The account has a login already."],
  TOTP_ON: ["failed_precondition", "The account has an authenticator already: turn it off first."],
  TOTP_OFF: ["failed_precondition", "The account has no authenticator, or none that was confirmed."],
  CHALLENGE_GONE: ["failed_precondition", "What was begun is unknown, used or past its time: begin again."],
  LAST_WAY_IN: ["failed_precondition", "Nobody could sign in to the account any more: add another way first."],
  LAST_ADMIN: ["failed_precondition", "The installation would have no administrator left."],
  PUBLIC_URL_MISSING: ["failed_precondition", "The server does not know its own address: set `public_url`."],
  INVALID_CODE: ["permission_denied", "The code is wrong, used, or past its time."],
  RECENT_SIGN_IN_REQUIRED: [
    "permission_denied",
    "This wants a sign-in of the last minutes (`auth.recent_sign_in`): sign in again, and repeat it.",
  ],
  ACCOUNT_BANNED: ["permission_denied", "The account is banned."],
  SCOPE_MISSING: ["permission_denied", "The API key's scopes do not cover the method."],
  METHOD_DENIED: ["permission_denied", "This installation lets nobody call the method."],
  REFUSED_BY_APP: ["permission_denied", "The app of this installation refuses the call; its own code says why."],
  FIELD_FORBIDDEN: ["permission_denied", "The field is one that the server alone sets, or an administrator."],
  ANONYMOUS_OFF: ["permission_denied", "This installation has no anonymous accounts: see `auth.anonymous`."],
  CROSS_SITE: [
    "permission_denied",
    "A cookie alone allows no change that another site, or a link, could have asked for.",
  ],
  COLUMN_FORBIDDEN: ["permission_denied", "The column of others may not be read, filtered or sorted by."],
  ADMIN_REQUIRED: ["permission_denied", "Only an administrator may do this."],
  ACCOUNT_REQUIRED: ["permission_denied", "The caller is not an account, and this is about the caller's own."],
  NOT_YOUR_ACCOUNT: ["permission_denied", "The account can be read, but not changed, by this caller."],
  REGISTRATION_CLOSED: ["permission_denied", "Only administrators make accounts here."],
  TOPIC_FORBIDDEN: ["permission_denied", "The topic is not one this caller may follow, or publish to."],
  FOREIGN_ORIGIN: ["permission_denied", "A page of another site may not open a socket here: see `cors.origins`."],
  LOGIN_TAKEN: ["already_exists", "The login, or its twin in case or Unicode form, is in use."],
  EMAIL_TAKEN: ["already_exists", "Another account has shown that the address is its own."],
  PASSKEY_TAKEN: ["already_exists", "The passkey is registered already."],
  IDENTITY_TAKEN: ["already_exists", "The identity belongs to another account, or is linked already."],
  IDEMPOTENCY_MISMATCH: ["failed_precondition", "The idempotency key was used before with another request."],
  ACCOUNT_NOT_FOUND: ["not_found", "There is no such account."],
  DEVICE_NOT_FOUND: ["not_found", "The account has no such sign-in."],
  API_KEY_NOT_FOUND: ["not_found", "There is no such API key, or it is another's."],
  PASSKEY_NOT_FOUND: ["not_found", "The account has no such passkey."],
  IDENTITY_NOT_FOUND: ["not_found", "The account has no such identity."],
  PROVIDER_NOT_FOUND: ["not_found", "No identity provider of that name is configured."],
  SERVICE_NOT_FOUND: ["not_found", "There is no such service to ask the health of."],
  RECIPIENT_NOT_FOUND: ["not_found", "There is no such account to send to."],
  MESSAGE_NOT_FOUND: ["not_found", "The caller has received no such message."],
  CONNECTION_TO_SELF: ["invalid_argument", "A connection, or a block, joins two accounts; this is the caller's own."],
  CONNECTION_EXISTS: ["already_exists", "The caller has such a connection to the peer already."],
  CONNECTION_NOT_FOUND: ["not_found", "The caller has no such connection."],
  INVITE_STATE: [
    "failed_precondition",
    "The state of an invite begins as `sent`; the invited one alone changes it, once, to `accepted` or `declined`.",
  ],
  UNKNOWN_COUNTER: ["invalid_argument", "There is no such counter: an app declares its own."],
  DERIVED_COUNTER: ["invalid_argument", "The counter follows rows; the verb that moves it is named."],
  COUNTER_OUT_OF_RANGE: ["invalid_argument", "The counter would leave the whole numbers that it can hold."],
  COUNTER_FORBIDDEN: ["permission_denied", "The counter of another account is not public."],
  MESSAGE_TO_SELF: ["invalid_argument", "The recipient is the sender."],
  SECRET_TOO_SHORT: ["invalid_argument", "The secret has fewer characters than `auth.secret_min_length`."],
  INVALID_LOGIN: [
    "invalid_argument",
    "The login has invisible characters, blanks at an end, or a `|` although `signatures` asks that it sign.",
  ],
  UNKNOWN_JOB: ["invalid_argument", "No job is registered by that name."],
  INVALID_ARGS: ["invalid_argument", "The job does not take these arguments; what is wrong with them is named."],
  JOB_TOO_LARGE: ["invalid_argument", "The job's arguments are larger than 256 KiB of JSON."],
  JOB_NOT_FOUND: ["not_found", "There is no such job, or it is no longer kept."],
  JOB_EXISTS: ["already_exists", "Another job holds the unique key."],
  JOB_RUNNING: ["failed_precondition", "The job is running: cancel it first, or wait."],
  JOB_SUCCEEDED: ["failed_precondition", "The job has succeeded: submit another to have it done again."],
  JOB_FINISHED: ["failed_precondition", "The job has succeeded or is dead: there is nothing to cancel."],
  JOB_LOST: ["aborted", "The job is no longer this worker's: nothing that it writes is kept."],
  QUEUE_NOT_FOUND: ["not_found", "There never was a job in such a queue."],
  CRON_NOT_FOUND: ["not_found", "There is no such cron."],
  CACHE_NOT_FOUND: ["not_found", "The node has no such cache."],
  CACHE_KEY_NOT_FOUND: ["not_found", "The node holds nothing by that key."],
  CACHE_INTERNAL: ["permission_denied", "The server keeps this cache for itself: it can be counted and cleared only."],
  NOT_A_NUMBER: ["failed_precondition", "What the cache holds by that key is no number."],
  CONFLICT: ["aborted", "The change met others at the same rows too often; try again."],
  DATABASE_UNAVAILABLE: ["unavailable", "The database cannot be reached; nothing is known to be written. Try again."],
  PROVIDER_UNAVAILABLE: ["unavailable", "The identity provider cannot be reached. Try again."],
  INTERNAL: ["internal", "A defect of ours: the request id finds it in the log."],
} as const satisfies Record<string, readonly [ErrorKind, string]>;

/** A machine-readable reason, in UPPER_SNAKE_CASE. */
export type Reason = keyof typeof REASONS;

/** A field of the request and what is wrong with it. */
export interface FieldViolation {
  /** Path in JSON names, such as `account.name`. */
  field: string;
  description: string;
}

/** What an error carries besides its reason and message. */
export interface ErrorExtras {
  /** Shorthand for one violation whose description is the message. */
  field?: string;
  fields?: FieldViolation[];
  metadata?: Record<string, string>;
  /** Milliseconds after which a repeat makes sense. */
  retryAfterMs?: number;
  /** Another kind than the reason's own: an app says by it what its refusal (REFUSED_BY_APP) is. */
  kind?: ErrorKind;
  cause?: unknown;
}

/** An error whose text and reason the caller may see. */
export class DomainError extends Error {
  override readonly name = "DomainError";
  readonly kind: ErrorKind;
  readonly fields: readonly FieldViolation[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;

  constructor(
    readonly reason: Reason,
    message: string = REASONS[reason][1],
    extras: ErrorExtras = {},
  ) {
    super(message, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.kind = extras.kind ?? REASONS[reason][0];
    this.fields = extras.fields ?? (extras.field === undefined ? [] : [{ field: extras.field, description: message }]);
    this.metadata = extras.metadata ?? {};
    this.retryAfterMs = extras.retryAfterMs;
  }
}
