import type { Ctx, JobCtx } from "../../context.js";
import { FinalError } from "../../kernel/final-error.js";
import { mailing } from "../../kernel/mailing.js";
import type { Settings } from "../../settings.js";

const NAME = "backstay.accounts.tell_replaced";

/** What addresses are sealed for: arguments of jobs can be read. */
const REPLACED = "replaced";

/**
 * Tells whoever reads mails at an address that it was verified and leads into his account no more. Whoever has got hold of a
 * sign-in would otherwise put an address of his own there, and reset the secret by it, unnoticed.
 */
export const tellReplacedJob = mailing<JobCtx>({
  name: NAME,
  check: async (args) =>
    typeof args.address === "string"
      ? { args }
      : { issues: [{ path: "address", message: "must be a sealed address" }] },
  run: (args, ctx) => tell(args.address as string, ctx),
});

/** Has an address told that it was replaced, or taken away; runs in the caller's transaction. */
export async function submitReplaced(ctx: Ctx, email: string): Promise<void> {
  const address = ctx.key.seal("mail-address", email, REPLACED).toString("base64url");
  await ctx.jobs.submit(ctx, [{ name: NAME, args: { address } }]);
}

async function tell(address: string, { key, mailer, settings }: JobCtx): Promise<void> {
  const to = key.open("mail-address", Buffer.from(address, "base64url"), REPLACED);
  if (to === undefined) throw new FinalError("the address was sealed under a key that is gone");
  await mailer.send({ to, ...replacedMail(settings) });
}

function replacedMail({ appName }: Pick<Settings, "appName">): { subject: string; text: string } {
  const lines = [
    `The e-mail address of your account at ${appName}`,
    "was changed or taken away. It was this one, which leads in no more.",
    "",
    "If that was you, there is nothing to do. If not: sign in with your",
    "login, end all other sign-ins, change your secret (password), and enter",
    "this address again. For 24 hours no code for a new secret is sent to",
    "any other.",
    "",
  ];
  return { subject: `${appName}: your e-mail address was changed`, text: lines.join("\n") };
}
