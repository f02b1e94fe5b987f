import type { Ctx, JobCtx } from "../../context.js";
import { FinalError } from "../../kernel/final-error.js";
import { mailing } from "../../kernel/mailing.js";
import type { Settings } from "../../settings.js";
import { readAccount } from "./service.js";

const NAME = "backstay.accounts.tell_added";

/** What addresses are sealed for: arguments of jobs can be read. */
const ADDED = "added";

/** A second one of the kind so soon, in milliseconds, is not told of again: a program may make many. */
const OFTEN = 60_000;

const SAYS = {
  passkey: "a passkey",
  identity: "an identity of a provider",
  login: "a login and secret",
  authenticator: "an authenticator",
  "api-key": "an API key",
} as const;

/** What somebody gets in by later, or has to show. */
export type Added = keyof typeof SAYS;

/**
 * Tells whoever reads mails at an account's verified address of what was added to the account. Whoever has got hold of a sign-in would
 * otherwise make himself a way in that outlasts it, unnoticed.
 */
export const tellAddedJob = mailing<JobCtx>({
  name: NAME,
  check: async (args) =>
    typeof args.address === "string" && Object.hasOwn(SAYS, String(args.added))
      ? { args }
      : { issues: [{ path: "", message: "must be a sealed address and what was added" }] },
  run: (args, ctx) => tell(args.address as string, args.added as Added, ctx),
});

/** Has the account's address told, if it is verified: as it is now, whatever takes its place. Runs in the caller's transaction. */
export async function submitAdded(ctx: Ctx, accountId: string, added: Added): Promise<void> {
  const account = await readAccount(ctx, accountId);
  if (account === undefined || account.emailVerifiedAt === null) return;
  const address = ctx.key.seal("mail-address", account.email, ADDED).toString("base64url");
  const uniqueKey = `${NAME}/${accountId}/${added}`;
  await ctx.jobs.submit(ctx, [{ name: NAME, args: { address, added }, uniqueKey, uniqueForMs: OFTEN }]);
}

async function tell(address: string, added: Added, { key, mailer, settings }: JobCtx): Promise<void> {
  const to = key.open("mail-address", Buffer.from(address, "base64url"), ADDED);
  if (to === undefined) throw new FinalError("the address was sealed under a key that is gone");
  await mailer.send({ to, ...addedMail(settings, added) });
}

function addedMail({ appName }: Pick<Settings, "appName">, added: Added): { subject: string; text: string } {
  const what = SAYS[added];
  const lines = [
    `Your account at ${appName}`,
    `was given ${what}.`,
    "",
    "If that was you, there is nothing to do. If not: sign in, end all other",
    "sign-ins, take it away again, and change your secret (password). Ask an",
    "administrator if you cannot sign in any more.",
    "",
  ];
  return { subject: `${appName}: your account was given ${what}`, text: lines.join("\n") };
}
