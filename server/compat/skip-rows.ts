import type { Message } from "@bufbuild/protobuf";
import { DomainError } from "../kernel/errors.js";
import type { Given } from "./given.js";

const DEFAULT_PAGE = 50;
const MOST_PER_PAGE = 500;
const MOST_SKIPPED = 10_000;

/**
 * The request for the page that `_start` (rows left out) or `_page` (pages of `_count` rows, from 1) asks for: the rows
 * before it are read and dropped. Undefined when there are no more than those.
 */
export async function skipRows(
  ask: (request: object) => Promise<Message>,
  request: object,
  rowsField: string,
  given: Given,
): Promise<object | undefined> {
  let left = rowsToSkip(given);
  let pageToken = given.text("_token");
  while (left > 0) {
    const pageSize = Math.min(left, MOST_PER_PAGE);
    const answer = (await ask({ ...request, pageSize, pageToken })) as unknown as Record<string, unknown>;
    left -= (answer[rowsField] as unknown[]).length;
    pageToken = answer.nextPageToken as string;
    if (pageToken === "") return undefined;
  }
  return { ...request, pageToken };
}

function rowsToSkip(given: Given): number {
  const page = given.number("_page") ?? 1;
  const skipped = given.number("_start") ?? Math.max(0, page - 1) * (given.number("_count") || DEFAULT_PAGE);
  if (skipped <= MOST_SKIPPED) return skipped;
  const field = given.has("_start") ? "_start" : "_page";
  throw new DomainError("INVALID_FIELD", `At most ${MOST_SKIPPED} rows can be left out: use _token.`, { field });
}
