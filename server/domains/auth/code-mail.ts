import type { Settings } from "../../settings.js";
import type { CodePurpose } from "./store-codes.js";

const MINUTE = 60_000;

/** The most characters of a name. */
const MOST_NAME = 40;

const SAYS = {
  "verify-email": {
    subject: (app: string) => `${app}: a code for your e-mail address`,
    what: (app: string) => `This code shows ${app} that this e-mail address is yours,`,
    otherwise: "If that is not your account, ignore this mail, and give the code to nobody.",
  },
  "reset-secret": {
    subject: (app: string) => `${app}: a code for a new secret`,
    what: (app: string) => `This code lets you choose a new secret (password) at ${app},`,
    otherwise: "If you did not ask for it, ignore this mail: nothing has changed. Give the code to nobody.",
  },
} as const;

/**
 * The mail that brings a code, and says for whose account: anybody can have one sent to anybody's address. It has no link: where to
 * type the code is known to whoever asked for it.
 */
export function codeMail(
  { appName, auth }: Pick<Settings, "appName" | "auth">,
  { purpose, code, name }: { purpose: CodePurpose; code: string; name: string },
): { subject: string; text: string } {
  const { subject, what, otherwise } = SAYS[purpose];
  const minutes = Math.floor(auth.codeTtl / MINUTE);
  const until = minutes === 1 ? "a minute" : `${minutes} minutes`;
  const lines = [
    what(appName),
    `for the account "${shownName(name)}":`,
    "",
    `    ${code.slice(0, 4)} ${code.slice(4)}`,
    "",
    `It can be used once, within ${until}.`,
    otherwise,
    "",
  ];
  return { subject: subject(appName), text: lines.join("\n") };
}

/** A name as mails show it: it is a stranger's text, who is not to write more than a name, nor anything like a link or a line. */
function shownName(name: string): string {
  const words = name.normalize("NFKC").replace(/[^\p{L}\p{M}\p{N}'-]+/gu, " ");
  return [...words.trim()].slice(0, MOST_NAME).join("").trim() || "without a name";
}
