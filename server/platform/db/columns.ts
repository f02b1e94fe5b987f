import { type SQL, sql } from "drizzle-orm";
import { customType, pgSchema, timestamp } from "drizzle-orm/pg-core";

/** The one PostgreSQL schema our tables stand in. */
export const backstay = pgSchema("backstay");

/** An id: `uuid` in the database, 32 lower-case hex digits everywhere else. */
export const id = customType<{ data: string; driverData: string }>({ dataType: () => "uuid" });

/** Bytes, such as the hash of a token. */
export const bytes = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => "bytea" });

/** A moment, written by the server's clock. */
export const moment = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });

/** A moment as text that the database reads as the same one: the driver would cut it to the millisecond, and a page begin too early. */
export const exactly = (time: SQL) => sql`to_char(${time} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
