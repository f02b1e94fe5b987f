import { type BackstayClient, BackstayError, createClient } from "@backstay/client";
import { readAdminToken, readRunning } from "../app/key-change.js";

/** What a server says of its instance key. */
export interface KeyStatus {
  current: string;
  previous: string[];
  /** Rows that are not sealed under the current key, by column. */
  left: Record<string, number>;
  previousMayGo: boolean;
}

/** A running server, to an administrator. */
export interface KeyServer {
  readonly url: string;
  status(): Promise<KeyStatus>;
  /** Has everything sealed under the current key, from now on in the background. */
  reseal(): Promise<void>;
}

const RESEAL = "backstay.auth.reseal";

/** The server that runs on a home; undefined when none does. */
export function serverOf(home: string): KeyServer | undefined {
  const url = readRunning(home)?.url;
  const token = readAdminToken(home);
  return url && token !== undefined ? serverAt(url, token) : undefined;
}

/** The server of a URL. */
export function serverAt(url: string, token: string): KeyServer {
  const client = createClient(url, { token });
  return {
    url,
    status: () => orUnreachable(url, statusOf(client)),
    reseal: () =>
      orUnreachable(
        url,
        client.jobs.submitJob({ name: RESEAL, uniqueKey: RESEAL }).then(() => {}),
      ),
  };
}

async function statusOf(client: BackstayClient): Promise<KeyStatus> {
  const { current, previous, left, previousMayGo } = await client.system.getKeyStatus({});
  const counts = left.map(({ column, count }) => [column, Number(count)]);
  return { current, previous, left: Object.fromEntries(counts), previousMayGo };
}

function orUnreachable<T>(url: string, asked: Promise<T>): Promise<T> {
  return asked.catch((error) => {
    if (!BackstayError.is(error, "unavailable")) throw error;
    throw Object.assign(new Error(`no server answers at ${url}`), { code: "BACKSTAY_UNREACHABLE" });
  });
}

/** How many rows are left in all. */
export function countLeft(left: KeyStatus["left"]): number {
  return Object.values(left).reduce((sum, count) => sum + count, 0);
}
