import { DomainError } from "../../kernel/errors.js";

// Characters nobody sees: controls, formats (zero width, directional), unassigned, private use, surrogates.
const INVISIBLE = /\p{C}|[\u2028\u2029\u115f\u1160\u3164\uffa0]/u;

/**
 * The form of a login that is compared: NFKC, then case folded, so that no two accounts look alike by case or Unicode form.
 * Throws INVALID_LOGIN for what a person could not see or would not notice.
 */
export function foldLogin(login: string): string {
  if (INVISIBLE.test(login)) {
    throw new DomainError("INVALID_LOGIN", "The login has an invisible character.", { field: "login" });
  }
  const composed = login.normalize("NFKC");
  if (composed !== composed.trim()) {
    throw new DomainError("INVALID_LOGIN", "The login has blanks at an end.", { field: "login" });
  }
  // Upper case first folds what has no lower case of its own, such as the German sharp s.
  return composed.toUpperCase().toLowerCase().normalize("NFKC");
}
