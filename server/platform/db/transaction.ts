import type { Connection } from "./connection.js";
import { unavailable } from "./connection.js";
import type { Db, Use } from "./db.js";

/** Sends one statement with its values over a connection. */
export type Run = <Row>(
  connection: Connection,
  text: string,
  values: readonly unknown[],
  signal?: AbortSignal,
  use?: Use,
) => Promise<Row[]>;

/** Runs `work` in a transaction on a connection that it has to itself; `signal` cancels the statement that runs. */
export async function runTransaction<T>(
  connection: Connection,
  run: Run,
  work: (db: Db) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  signal?.throwIfAborted();
  let over = false;
  let clean = false;
  let failure: { error: unknown } | undefined;
  let last: Promise<unknown> = Promise.resolve();

  // One after the other, and none once the transaction is over: on the next connection it would stand outside of it.
  const runNext: Db["run"] = (text, values, use) => {
    const turn = last.then(() => {
      if (over) throw new Error("the transaction has ended");
      return run<never>(connection, text, values, signal, use);
    });
    last = turn.catch((error) => {
      failure ??= { error };
    });
    return turn;
  };

  const end = async (word: "commit" | "rollback") => {
    await last;
    if (over) return;
    over = true;
    await run(connection, word, []);
    clean = true;
  };

  const whole = async (): Promise<T> => {
    await run(connection, "begin", [], signal);
    try {
      const result = await work({ run: runNext });
      await last;
      if (failure !== undefined) throw failure.error;
      await end("commit");
      return result;
    } catch (error) {
      // Where this fails too, the connection goes, and the transaction with it.
      await end("rollback").catch(() => {});
      throw error;
    }
  };

  const lost = new Promise<never>((_, reject) => {
    connection.onLost = () => {
      over = true;
      reject(unavailable());
    };
  });
  try {
    return await Promise.race([whole(), lost]);
  } finally {
    connection.onLost = undefined;
    over = true;
    if (!clean) connection.renew();
  }
}
