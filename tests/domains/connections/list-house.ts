import { randomUUID } from "node:crypto";
import type postgres from "postgres";
import { afterAll, beforeAll, beforeEach } from "vitest";
import type { Side } from "../../../server/domains/connections/store-list.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { curl, curlRefused, openDatabase, type Refused } from "../support.js";

export interface ConnectionJson {
  peerId: string;
  type: string;
  properties: Record<string, unknown>;
  createTime: string;
  updateTime: string;
  account?: Record<string, unknown>;
}

export interface Page {
  connections?: ConnectionJson[];
  nextPageToken?: string;
}

/** A row of a list, as a test puts it straight into the database. */
export interface Link {
  peerId?: string;
  type?: string;
  /** When it was made, and when it was last written; to the microsecond. */
  at?: string;
  updated?: string;
  properties?: object;
  /** What the other one sees, and when he saw it written. */
  peerProperties?: object;
  peerUpdated?: string;
  withheld?: boolean;
}

/** A list of one side, of Ada, who is somebody else in each test. */
export class ListHouse {
  backstay!: TestBackstay;
  ada!: Person;

  constructor(readonly side: Side) {
    beforeAll(async () => {
      this.backstay = await startBackstay({ "limits.rate": "off" });
    });
    beforeEach(async () => {
      this.ada = await this.backstay.signUp();
    });
    afterAll(() => this.backstay.stop());
  }

  get #path(): string {
    const method = this.side === "connections" ? "ListConnections" : "ListReferences";
    return `connections.v1.ConnectionService/${method}`;
  }

  /** Puts rows into Ada's list; answers with the other account of each. */
  async put(...links: Link[]): Promise<string[]> {
    const rows = links.map((link) => toRow(this.side, this.ada.id, link));
    await insertRows(openDatabase(this.backstay), rows);
    return rows.map((row) => otherOf(this.side, row));
  }

  /** Makes an account, and connects it with Ada. */
  async befriend(link: Link = {}): Promise<Person> {
    const person = await this.backstay.signUp();
    await this.put({ ...link, peerId: person.id });
    return person;
  }

  page(request: object = {}, token = this.ada.token): Promise<Page> {
    return curl<Page>(this.backstay, this.#path, request, token);
  }

  refused(request: object, token = this.ada.token): Promise<Refused> {
    return curlRefused(this.backstay, this.#path, request, token);
  }

  async list(request: object = {}): Promise<ConnectionJson[]> {
    return (await this.page(request)).connections ?? [];
  }

  /** What `of` says of each row of every page; `between` runs before each page but the first. */
  async all<T>(request: object, of: (row: ConnectionJson) => T, between = async () => {}): Promise<T[]> {
    const found: T[] = [];
    for (let pageToken = ""; ; ) {
      const { connections = [], nextPageToken = "" } = await this.page({ ...request, pageToken });
      found.push(...connections.map(of));
      pageToken = nextPageToken;
      if (pageToken === "") return found;
      await between();
    }
  }
}

/** An id that no account has. */
export const newId = () => randomUUID().replaceAll("-", "");

const START = Date.parse("2030-01-01T00:00:00Z");

/** So many seconds after the lists of tests begin, to the microsecond. */
export function second(n: number, micros = 0): string {
  return new Date(START + n * 1_000).toISOString().replace("000Z", `${String(micros).padStart(6, "0")}Z`);
}

/** A link as a row of the table. */
export function toRow(side: Side, ownId: string, link: Link) {
  const { type = "like", at = second(0), properties = {} } = link;
  const peerId = link.peerId ?? newId();
  const [accountId, otherId] = side === "connections" ? [ownId, peerId] : [peerId, ownId];
  return {
    account_id: accountId,
    type,
    peer_id: otherId,
    id: newId(),
    reference_id: link.withheld ? null : newId(),
    properties,
    created_at: at,
    updated_at: link.updated ?? at,
    peer_properties: link.peerProperties ?? null,
    peer_updated_at: link.peerUpdated ?? null,
  };
}

/** The account of a row whose list it is not in. */
export function otherOf(side: Side, row: ReturnType<typeof toRow>): string {
  return side === "connections" ? row.peer_id : row.account_id;
}

/** As JSON, since the driver would cut times to the millisecond. */
export async function insertRows(sql: postgres.Sql, rows: readonly ReturnType<typeof toRow>[]): Promise<void> {
  await sql`insert into backstay.connections
    select * from json_populate_recordset(null::backstay.connections, ${JSON.stringify(rows)}::text::json)`;
}
