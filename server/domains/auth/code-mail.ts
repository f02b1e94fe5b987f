import type { Settings } from "../../settings.js";
import type { CodePurpose } from "./store-codes.js";

const MINUTE = 60_000;

const SAYS = {
  "verify-email": {
    subject: (app: string) => `${app}: a code for your e-mail address`,
    what: (app: string) => `This code shows ${app} that this e-mail address is yours:`,
    otherwise: "If you did not ask for it, ignore this mail: somebody may have mistyped an address.",
  },
  "reset-secret": {
    subject: (app: string) => `${app}: a code for a new secret`,
    what: (app: string) => `This code lets you choose a new secret (password) at ${app}:`,
    otherwise: "If you did not ask for it, ignore this mail: nothing has changed. Give the code to nobody.",
  },
} as const;

/** The mail that brings a code. It has no link: where to type the code is known to whoever asked for it. */
export function codeMail(
  { appName, auth }: Pick<Settings, "appName" | "auth">,
  purpose: CodePurpose,
  code: string,
): { subject: string; text: string } {
  const { subject, what, otherwise } = SAYS[purpose];
  const minutes = Math.floor(auth.codeTtl / MINUTE);
  const until = minutes === 1 ? "a minute" : `${minutes} minutes`;
  const lines = [
    what(appName),
    "",
    `    ${code.slice(0, 4)} ${code.slice(4)}`,
    "",
    `It can be used once, within ${until}.`,
    otherwise,
    "",
  ];
  return { subject: subject(appName), text: lines.join("\n") };
}
