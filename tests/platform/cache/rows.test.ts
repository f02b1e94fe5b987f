import { describe, expect, it, onTestFinished } from "vitest";
import { memoryBus } from "../../../server/platform/bus/memory.js";
import { memoryCaches } from "../../../server/platform/cache/memory.js";
import type { Db } from "../../../server/platform/db/index.js";
import { curlRefused, openDatabase } from "../../domains/support.js";
import { startBackstay } from "../../support/backstay.js";

describe("rows of a table", () => {
  const unused: Db = { run: () => Promise.reject(new Error("nobody reads here")) };
  const [database, transaction] = [{ ...unused }, { ...unused }];
  /** Rows of a table that is cached, or not; where each load was told to read. */
  const rowsOf = (isCached: boolean) => {
    const bus = memoryBus((error) => {
      throw error;
    });
    const caches = memoryCaches({ bus, tables: isCached ? ["accounts"] : ["grants"], named: new Map() });
    const read: Db[] = [];
    const load = async ({ db }: { db: Db }) => ({ n: read.push(db) });
    return { rows: caches.rows<{ n: number }>("accounts", { max: 10, ttlMs: 1_000 }), read, load };
  };

  it("that are cached are read through, by the database itself and no transaction", async () => {
    const { rows, read, load } = rowsOf(true);
    const from = { database, db: transaction };
    expect([await rows.read(from, "a", load), await rows.read(from, "a", load)]).toEqual([{ n: 1 }, { n: 1 }]);
    expect(read).toEqual([database]);
    expect(read[0]).toBe(database);
  });

  it("that are not are read directly, where the call reads", async () => {
    const { rows, read, load } = rowsOf(false);
    const from = { database, db: transaction };
    for (const n of [1, 2]) expect(await rows.read(from, "a", load)).toEqual({ n });
    expect(read.every((db) => db === transaction)).toBe(true);
    expect(await rows.read({ database }, "a", load)).toEqual({ n: 3 });
    expect(read[2]).toBe(database);
  });

  it("are forgotten once a change is committed, and not before", async () => {
    const { rows, load } = rowsOf(true);
    const effects: (() => void)[] = [];
    const read = () => rows.read({ database }, "a", load);
    await read();
    rows.wrote({ afterCommit: (effect) => effects.push(effect) }, "a");
    expect(await read()).toEqual({ n: 1 });
    for (const effect of effects) effect();
    expect(await read()).toEqual({ n: 2 });
    rows.clear();
    expect(await read()).toEqual({ n: 3 });
  });
});

describe("with the setting cache.tables", () => {
  /** The alias that a person reads of the own account, after it was changed behind the server's back. */
  const aliasAfterChange = async (tables: string | undefined) => {
    const backstay = await startBackstay(tables === undefined ? {} : { "cache.tables": tables });
    onTestFinished(() => backstay.stop());
    const ada = await backstay.signUp();
    const alias = async () => (await ada.client.accounts.getAccount({})).account?.alias;
    await alias();
    await openDatabase(backstay)`update backstay.accounts set alias = 'by hand' where id = ${ada.id}`;
    return { alias: await alias(), backstay, ada };
  };

  it("accounts are remembered for at most a second by default", async () => {
    const { alias, ada } = await aliasAfterChange(undefined);
    expect(alias).toBe(`Name of ${ada.login}`);
    const now = async () => (await ada.client.accounts.getAccount({})).account?.alias;
    await expect.poll(now, { timeout: 1_000, interval: 10 }).toBe("by hand");
  });

  it("a table that it does not name is read each time", async () => {
    expect((await aliasAfterChange("grants")).alias).toBe("by hand");
  });

  it("a token that is gone is known so at once when grants are not named, and within a second when they are", async () => {
    for (const [tables, isAtOnce] of [
      ["", true],
      ["grants", false],
    ] as const) {
      const { backstay, ada } = await aliasAfterChange(tables);
      await openDatabase(backstay)`delete from backstay.grants where account_id = ${ada.id}`;
      const current = () => curlRefused(backstay, "auth.v1.AuthService/GetCurrent", {}, ada.token);
      const answer = () =>
        current().then(
          ({ reason }) => reason,
          () => "none",
        );
      if (isAtOnce) expect(await answer()).toBe("INVALID_TOKEN");
      else await expect.poll(answer, { timeout: 1_000, interval: 10 }).toBe("INVALID_TOKEN");
    }
  });
});
