-- The log's head: its epoch is drawn here, once for the life of this data.
INSERT INTO "backstay"."event_log" ("only") VALUES (1) ON CONFLICT DO NOTHING;
--> statement-breakpoint
-- Counters are updated in place all day: leave room on their pages.
ALTER TABLE "backstay"."counters" SET (fillfactor = 70);
--> statement-breakpoint
-- The outbox is filled and emptied all day: sweep it by count, not by share.
ALTER TABLE "backstay"."outbox" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
