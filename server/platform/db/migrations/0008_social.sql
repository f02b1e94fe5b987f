CREATE TABLE "backstay"."blocks" (
	"account_id" uuid NOT NULL,
	"peer_id" uuid NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	CONSTRAINT "blocks_account_id_peer_id_pk" PRIMARY KEY("account_id","peer_id")
);
--> statement-breakpoint
CREATE TABLE "backstay"."connections" (
	"account_id" uuid NOT NULL,
	"type" text NOT NULL,
	"peer_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"reference_id" uuid,
	"properties" jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	"peer_properties" jsonb,
	"peer_updated_at" timestamp with time zone,
	CONSTRAINT "connections_account_id_type_peer_id_pk" PRIMARY KEY("account_id","type","peer_id"),
	CONSTRAINT "connections_type" CHECK ("backstay"."connections"."type" ~ '^[a-z][a-z0-9_]{0,31}$'),
	CONSTRAINT "connections_of_two" CHECK ("backstay"."connections"."account_id" <> "backstay"."connections"."peer_id"),
	CONSTRAINT "connections_properties_size" CHECK (greatest(octet_length("backstay"."connections"."properties"::text), octet_length("backstay"."connections"."peer_properties"::text)) <= 16384)
);
--> statement-breakpoint
CREATE TABLE "backstay"."history" (
	"id" uuid PRIMARY KEY NOT NULL,
	"account_id" uuid NOT NULL,
	"type" text NOT NULL,
	"data" jsonb,
	"created_at" timestamp with time zone NOT NULL,
	CONSTRAINT "history_type_length" CHECK (length("backstay"."history"."type") <= 128)
);
--> statement-breakpoint
CREATE TABLE "backstay"."withheld_counts" (
	"account_id" uuid NOT NULL,
	"viewer_id" uuid NOT NULL,
	"name" text NOT NULL,
	"value" bigint NOT NULL,
	CONSTRAINT "withheld_counts_account_id_viewer_id_name_pk" PRIMARY KEY("account_id","viewer_id","name"),
	CONSTRAINT "withheld_counts_name" CHECK ("backstay"."withheld_counts"."name" ~ '^[a-z][a-z0-9_]{0,63}$')
);
--> statement-breakpoint
CREATE TABLE "backstay"."withheld_messages" (
	"id" uuid PRIMARY KEY NOT NULL,
	"sender_id" uuid NOT NULL,
	"recipient_id" uuid NOT NULL,
	"text" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	CONSTRAINT "withheld_messages_text_length" CHECK (length("backstay"."withheld_messages"."text") <= 16384)
);
--> statement-breakpoint
ALTER TABLE "backstay"."blocks" ADD CONSTRAINT "blocks_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "backstay"."accounts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "backstay"."blocks" ADD CONSTRAINT "blocks_peer_id_accounts_id_fk" FOREIGN KEY ("peer_id") REFERENCES "backstay"."accounts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "backstay"."history" ADD CONSTRAINT "history_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "backstay"."accounts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "backstay"."withheld_counts" ADD CONSTRAINT "withheld_counts_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "backstay"."accounts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "backstay"."withheld_messages" ADD CONSTRAINT "withheld_messages_sender_id_accounts_id_fk" FOREIGN KEY ("sender_id") REFERENCES "backstay"."accounts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "backstay"."withheld_messages" ADD CONSTRAINT "withheld_messages_recipient_id_accounts_id_fk" FOREIGN KEY ("recipient_id") REFERENCES "backstay"."accounts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "blocks_created_at" ON "backstay"."blocks" USING btree ("account_id","created_at","peer_id");--> statement-breakpoint
CREATE INDEX "blocks_peer" ON "backstay"."blocks" USING btree ("peer_id");--> statement-breakpoint
CREATE INDEX "connections_own" ON "backstay"."connections" USING btree ("account_id","type","created_at","peer_id");--> statement-breakpoint
CREATE INDEX "connections_references" ON "backstay"."connections" USING btree ("peer_id","type","created_at","account_id") WHERE reference_id is not null;--> statement-breakpoint
CREATE INDEX "connections_rewritten" ON "backstay"."connections" USING btree ("account_id","type","updated_at") WHERE updated_at > created_at;--> statement-breakpoint
CREATE INDEX "connections_references_rewritten" ON "backstay"."connections" USING btree ("peer_id","type",coalesce(peer_updated_at, updated_at)) WHERE reference_id is not null and coalesce(peer_updated_at, updated_at) > created_at;--> statement-breakpoint
CREATE INDEX "connections_withheld" ON "backstay"."connections" USING btree ("peer_id") WHERE reference_id is null;--> statement-breakpoint
CREATE INDEX "history_account" ON "backstay"."history" USING btree ("account_id","created_at","id");--> statement-breakpoint
CREATE INDEX "history_account_type" ON "backstay"."history" USING btree ("account_id","type","created_at","id");--> statement-breakpoint
CREATE INDEX "history_created_at" ON "backstay"."history" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "withheld_counts_viewer" ON "backstay"."withheld_counts" USING btree ("viewer_id");--> statement-breakpoint
CREATE INDEX "withheld_messages_sender" ON "backstay"."withheld_messages" USING btree ("sender_id","id");--> statement-breakpoint
CREATE INDEX "withheld_messages_recipient" ON "backstay"."withheld_messages" USING btree ("recipient_id");