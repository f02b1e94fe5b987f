import { ConflictError } from "./db.js";

const TIMES = 5;

/**
 * Runs one statement, again when it met others at the same rows: what was rolled back is the statement alone. For statements
 * outside of a transaction, which is repeated as a whole or not at all. Throws ConflictError when that does not help.
 */
export async function retried<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof ConflictError) || attempt === TIMES) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20 * 2 ** attempt));
    }
  }
}
