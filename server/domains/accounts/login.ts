import { DomainError } from "../../kernel/errors.js";

// Characters nobody sees: controls, formats (zero width, directional), unassigned, private use, surrogates, selectors and
// fillers, and the braille cell without a dot.
const INVISIBLE = /[\p{C}\p{Default_Ignorable_Code_Point}\u2028\u2029\u2800]/u;

/** As long as the database keeps; NFKC makes up to eighteen characters of one. */
const MOST_FOLDED = 1024;

/**
 * The form of a login that is compared: NFKC, then case folded, so that no two accounts look alike by case or Unicode form.
 * Throws INVALID_LOGIN for what a person could not see or would not notice.
 */
export function foldLogin(login: string): string {
  if (INVISIBLE.test(login)) throw refused("The login has an invisible character.");
  const composed = login.normalize("NFKC");
  if (composed !== composed.trim()) throw refused("The login has blanks at an end.");
  // Upper case folds what has no lower case of its own, such as the German sharp s, once its capital twin is lower case.
  const folded = composed.toLowerCase().toUpperCase().toLowerCase().normalize("NFKC");
  if (folded.length > MOST_FOLDED) throw refused("The login is too long when its characters are written out.");
  return folded;
}

/** Whether a `bk-signature` can name a login. The secret of another would be kept to sign with in vain. */
export function canSign(login: string): boolean {
  return !login.includes("|");
}

/** Throws INVALID_LOGIN, naming `field`, for a login that cannot sign. It is asked only where the caller says that it is to. */
export function checkSigningLogin(login: string, field: string): void {
  if (!canSign(login)) throw refused("A login with `|` cannot sign: its secret is not kept for signatures.", field);
}

function refused(message: string, field = "login"): DomainError {
  return new DomainError("INVALID_LOGIN", message, { field });
}
