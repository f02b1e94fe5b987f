import type { Message } from "@bufbuild/protobuf";
import { DomainError } from "../kernel/errors.js";
import type { Given } from "./given.js";

const DEFAULT_PAGE = 50;
const MOST_PER_PAGE = 500;
const MOST_SKIPPED = 10_000;
/** Pages may be short where rows are searched by a pattern; who gets nothing from these many goes on by token. */
const MOST_LOOKS = MOST_SKIPPED / MOST_PER_PAGE + 1;

/** Where the page begins that was asked for; or, when there is nothing to show, the token to go on with. */
export type Skipped = { request: object } | { emptyPage: string };

/**
 * The request for the page that `_start` (rows left out) or `_page` (pages of `_count` rows, from 1) asks for: the rows
 * before it are read and dropped. A token says where to go on, so that nothing is left out before it again.
 */
export async function skipRows(
  ask: (request: object) => Promise<Message>,
  request: object,
  rowsField: string,
  given: Given,
): Promise<Skipped> {
  let pageToken = given.text("_token");
  let left = pageToken === "" ? rowsToSkip(given) : 0;
  for (let looks = 0; left > 0; looks++) {
    if (looks === MOST_LOOKS) return { emptyPage: pageToken };
    const pageSize = Math.min(left, MOST_PER_PAGE);
    const answer = (await ask({ ...request, pageSize, pageToken })) as unknown as Record<string, unknown>;
    left -= (answer[rowsField] as unknown[]).length;
    pageToken = answer.nextPageToken as string;
    if (pageToken === "") return { emptyPage: "" };
  }
  return { request: { ...request, pageToken } };
}

function rowsToSkip(given: Given): number {
  const page = given.number("_page") ?? 1;
  const skipped = given.number("_start") ?? Math.max(0, page - 1) * (given.number("_count") || DEFAULT_PAGE);
  if (skipped <= MOST_SKIPPED) return skipped;
  const field = given.has("_start") ? "_start" : "_page";
  throw new DomainError("INVALID_FIELD", `At most ${MOST_SKIPPED} rows can be left out: use _token.`, { field });
}
