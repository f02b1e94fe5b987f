import type { JsonObject } from "../../kernel/jobs.js";
import type { AccountRow } from "../accounts/index.js";

/** A connection as one of its two accounts sees it. */
export interface ConnectionRow {
  /** The other one. */
  peerId: string;
  type: string;
  properties: JsonObject;
  createdAt: Date;
  updatedAt: Date;
  /** The other one's, where a list was asked for it. */
  account?: AccountRow;
}
