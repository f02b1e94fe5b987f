CREATE TABLE IF NOT EXISTS "backstay"."signature_uses" (
	"digest" "bytea" PRIMARY KEY NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "backstay"."grants" DROP CONSTRAINT IF EXISTS "grants_kind";--> statement-breakpoint
ALTER TABLE "backstay"."identities" ADD COLUMN IF NOT EXISTS "secret_sealed" "bytea";--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "signature_uses_expires_at" ON "backstay"."signature_uses" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "accounts_created_at_id" ON "backstay"."accounts" USING btree ("created_at","id");--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "messages_unread" ON "backstay"."messages" USING btree ("recipient_id","mtime") WHERE read_at is null;--> statement-breakpoint
ALTER TABLE "backstay"."grants" ADD CONSTRAINT "grants_kind" CHECK ("backstay"."grants"."kind" in ('access', 'refresh', 'cookie', 'setup'));