ALTER TABLE "backstay"."installation" ADD COLUMN "name" text;--> statement-breakpoint
UPDATE "backstay"."installation" SET "name" = "key_fingerprint";--> statement-breakpoint
ALTER TABLE "backstay"."installation" ALTER COLUMN "name" SET NOT NULL;
