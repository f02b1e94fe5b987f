import type { DescMethod } from "@bufbuild/protobuf";
import { Access } from "#gen/backstay/options/v1/options_pb.js";
import { DomainError, REASONS, type Reason } from "../../kernel/errors.js";
import { httpStatus, plainStatus } from "../../rpc/wire-errors.js";
import type { Binding } from "../rest/bindings.js";
import { commentOf, type Docs, errorsPart } from "./docs.js";

/** HTTP statuses with the reasons that can stand behind each; none when only the status is promised. */
export type Refusals = ReadonlyMap<number, ReadonlySet<Reason>>;

type Ask = (binding: Binding) => boolean;
const always: Ask = () => true;
const hasBody: Ask = ({ body }) => body !== "none";
const takesJson: Ask = ({ body, takesBytes }) => body !== "none" && takesBytes === undefined;
const changes: Ask = ({ method }) => !method.readOnly;
const needsCaller: Ask = ({ method }) => method.access !== Access.PUBLIC;
const refusesBadProof: Ask = ({ method }) => !method.ignoresBadProof;
const needsAccount: Ask = ({ method }) => method.access === Access.ACCOUNT;
const needsAdmin: Ask = ({ method }) => method.access === Access.ADMIN;
const staysOpen: Ask = ({ method }) => method.longLived;

/** What a call can be refused for before its verb is asked, and which calls can. */
const COMMON: Readonly<Partial<Record<Reason, Ask>>> = {
  INVALID_FIELD: always,
  UNKNOWN_FIELD: always,
  WRONG_TYPE: always,
  MALFORMED_BODY: always,
  INVALID_UTF8: always,
  NUL_IN_TEXT: always,
  INVALID_HEADER: always,
  IDEMPOTENCY_MISMATCH: changes,
  TOKEN_MISSING: needsCaller,
  INVALID_TOKEN: refusesBadProof,
  TOKEN_EXPIRED: refusesBadProof,
  INVALID_SIGNATURE: refusesBadProof,
  MALFORMED_SIGNATURE: refusesBadProof,
  SIGNATURE_EXPIRED: refusesBadProof,
  SIGNATURE_REPLAYED: needsCaller,
  CROSS_SITE: changes,
  ADMIN_REQUIRED: needsAdmin,
  ACCOUNT_REQUIRED: needsAccount,
  UNSUPPORTED_MEDIA_TYPE: takesJson,
  UNSUPPORTED_ENCODING: hasBody,
  CHECKSUM_MISMATCH: hasBody,
  MESSAGE_TOO_LARGE: hasBody,
  RATE_LIMITED: always,
  TOO_MANY_STREAMS: staysOpen,
};

export function commonRefusals(binding: Binding): Refusals {
  const asks = Object.entries(COMMON) as [Reason, Ask][];
  return byStatus(asks.filter(([, ask]) => ask(binding)).map(([reason]) => reason));
}

const LATE = new Set(["aborted", "deadline_exceeded", "unavailable", "internal"]);

/** What can befall any call at any time. */
export function lateRefusals(): Refusals {
  return byStatus((Object.keys(REASONS) as Reason[]).filter((reason) => LATE.has(REASONS[reason][0])));
}

/**
 * What the comment of a method promises: ``Errors: NOT_FOUND `ACCOUNT_NOT_FOUND`; those of CreateAccount.`` names a code, a
 * reason and another method.
 */
export function ownRefusals(method: DescMethod, all: readonly DescMethod[], docs: Docs): Refusals {
  const statuses = new Map<number, Set<Reason>>();
  const add = (status: number, ...reasons: Reason[]) => {
    statuses.set(status, new Set([...(statuses.get(status) ?? []), ...reasons]));
  };
  const read = new Set<DescMethod>();
  const walk = (one: DescMethod) => {
    if (read.has(one)) return;
    read.add(one);
    const text = errorsPart(commentOf(docs, one));
    for (const [, quoted, code] of text.matchAll(/`([A-Z0-9_]+)`|\b([A-Z]+(?:_[A-Z]+)*)\b/g)) {
      if (quoted !== undefined && quoted in REASONS) add(statusOf(quoted as Reason), quoted as Reason);
      const status = STATUS_OF_CODE.get(code ?? "");
      if (status !== undefined) add(status);
    }
    for (const [, name] of text.matchAll(/\b(?:as|of) ([A-Z][a-z]\w*)/g)) {
      const siblings = [...one.parent.methods, ...all];
      const named = siblings.find((other) => other.name === name);
      if (named !== undefined) walk(named);
    }
  };
  walk(method);
  return statuses;
}

function byStatus(reasons: readonly Reason[]): Map<number, Set<Reason>> {
  const statuses = new Map<number, Set<Reason>>();
  for (const reason of reasons) {
    const status = statusOf(reason);
    statuses.set(status, (statuses.get(status) ?? new Set()).add(reason));
  }
  return statuses;
}

function statusOf(reason: Reason): number {
  return plainStatus(new DomainError(reason));
}

/** Codes as comments spell them. The first reason of a kind has its usual status. */
const STATUS_OF_CODE = new Map<string, number>();
for (const [reason, [kind]] of Object.entries(REASONS)) {
  const code = kind.toUpperCase();
  if (!STATUS_OF_CODE.has(code)) STATUS_OF_CODE.set(code, httpStatus(new DomainError(reason as Reason)));
}
