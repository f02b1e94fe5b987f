import { DomainError, type FieldViolation, type Reason } from "../../../kernel/errors.js";
import type { JsonObject } from "../../../kernel/jobs.js";
import type { ClaimedJob } from "../../queue/queue.js";
import type { Outcome } from "../runner.js";

/** What the server tells a job worker. A job is named by its turn: the same job may come again after it was given up. */
export type ToChild =
  /** The first: what the worker needs to know. */
  | { backstay: "begin"; brief: unknown }
  | { backstay: "run"; turn: number; job: ClaimedJob }
  /** The attempt is to end, for this reason. */
  | { backstay: "abort"; turn: number; reason: string }
  | { backstay: "answer"; call: number; value?: unknown; error?: CarriedError };

/** What a job worker tells the server. */
export type FromChild =
  /** It has the app's code, and takes jobs. */
  | { backstay: "ready" }
  /** It is going to end, by this error. */
  | { backstay: "failed"; message: string }
  | { backstay: "began"; turn: number }
  | { backstay: "ended"; turn: number; outcome: Outcome }
  /** How far the job is, as JSON. */
  | { backstay: "progress"; turn: number; json: string }
  | { backstay: "log"; turn: number; message: string; facts?: JsonObject | undefined }
  /** Asks for what only the server can do; a heartbeat is of a turn. */
  | { backstay: "call"; call: number; turn?: number | undefined; name: string; values: readonly unknown[] }
  /** Its resident memory, in bytes, where the server cannot look for itself. */
  | { backstay: "size"; bytes: number };

/** A marked message, or undefined when it is somebody else's: an app's code may use the same way. */
export function ours<T extends FromChild | ToChild>(message: unknown): T | undefined {
  const isMarked = typeof message === "object" && message !== null && "backstay" in message;
  return isMarked ? (message as T) : undefined;
}

/** An error that goes from one process to another: what a caller may tell from it, without its stack. */
export interface CarriedError {
  name: string;
  message: string;
  reason?: Reason;
  fields?: FieldViolation[];
  metadata?: Record<string, string>;
}

/** Takes an error apart to be carried. */
export function carried(error: unknown): CarriedError {
  if (error instanceof DomainError) {
    const { name, message, reason, fields, metadata } = error;
    return { name, message, reason, fields: [...fields], metadata: { ...metadata } };
  }
  return error instanceof Error
    ? { name: error.name, message: error.message }
    : { name: "Error", message: String(error) };
}

/** Puts it together again: a DomainError, a TypeError or an Error. */
export function uncarried({ name, message, reason, fields, metadata }: CarriedError): Error {
  if (reason !== undefined) {
    return new DomainError(reason, message, { fields: fields ?? [], metadata: metadata ?? {} });
  }
  return name === "TypeError" ? new TypeError(message) : new Error(message);
}

/** A signal's reason, or whatever was thrown, in words. */
export function wordsOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}
