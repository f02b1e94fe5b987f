import type { VerifyAuditLogResponse } from "@backstay/client";
import { asOperator, type OperatorFlags } from "./operator.js";
import { visibleJson } from "./visible.js";

/** How often it is told how far the check is, in milliseconds: to a person, and to a file. */
const TELL_EVERY = { terminal: 1_000, file: 10_000 };

/** Has the running server check its audit log. Throws with the code BACKSTAY_CHECK_FAILED when something is wrong with it. */
export async function verifyAudit(flags: OperatorFlags): Promise<void> {
  const result = await asOperator(flags, async (client) => {
    let last: VerifyAuditLogResponse | undefined;
    let toldAt = performance.now();
    for await (const progress of client.auth.verifyAuditLog()) {
      last = progress;
      const every = process.stderr.isTTY ? TELL_EVERY.terminal : TELL_EVERY.file;
      if (progress.done || performance.now() - toldAt < every) continue;
      toldAt = performance.now();
      console.error(`${progress.checkedCount} entries checked`);
    }
    if (last?.done) return last;
    throw new Error("the check has ended before the log did");
  });
  tell(result, flags);
  if (result.fault === "") return;
  throw Object.assign(new Error(`the audit log is not whole: ${result.fault}`), { code: "BACKSTAY_CHECK_FAILED" });
}

function tell({ checkedCount, lastSequence, fault, faultSequence }: VerifyAuditLogResponse, { json }: OperatorFlags) {
  if (json) {
    const wrong = fault === "" ? {} : { fault, faultSequence: Number(faultSequence) };
    const counts = { checkedCount: Number(checkedCount), lastSequence: Number(lastSequence) };
    console.log(visibleJson({ ok: fault === "", ...counts, ...wrong }));
  } else if (fault === "") {
    console.log(`the audit log is whole: ${checkedCount} entries checked, the last is ${lastSequence}`);
  }
}
