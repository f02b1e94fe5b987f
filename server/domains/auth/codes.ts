import { randomInt } from "node:crypto";
import type { Ctx, Ports } from "../../context.js";
import { foldEmail } from "../accounts/index.js";
import type { CodePurpose, SentCode } from "./store-codes.js";

/** What a code stands for: whose it is, what it allows, and the address, folded, that it was sent to. */
interface CodeUse {
  accountId: string;
  purpose: CodePurpose;
  target: string;
}

const FORM = /^\d{8}$/;

/** A new code, as it is mailed and as it is kept. */
export function drawCode({ key }: Pick<Ports, "key">, use: CodeUse): { code: string; codeMac: Buffer } {
  const code = String(randomInt(100_000_000)).padStart(8, "0");
  return { code, codeMac: key.mac("one-time-code", said(use, code)) };
}

/** Whether `code` is the one that was sent, to the address that is still the account's. */
export function isSentCode({ key }: Pick<Ctx, "key">, sent: SentCode, code: string): boolean {
  const digits = code.replace(/[\s-]/g, "");
  const isRight = key.verifies("one-time-code", said(sent, digits), sent.codeMac);
  return isRight && FORM.test(digits) && foldEmail(sent.email) === sent.target;
}

function said({ accountId, purpose, target }: CodeUse, code: string): string {
  return JSON.stringify([accountId, purpose, target, code]);
}
