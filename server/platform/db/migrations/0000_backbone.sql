CREATE SCHEMA "backstay";
--> statement-breakpoint
CREATE TABLE "backstay"."accounts" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"alias" text NOT NULL,
	"email" text NOT NULL,
	"phone" text NOT NULL,
	"gender" text NOT NULL,
	"birthday" text NOT NULL,
	"address" text NOT NULL,
	"roles" text[] NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	CONSTRAINT "accounts_name_length" CHECK (length("backstay"."accounts"."name") between 1 and 128),
	CONSTRAINT "accounts_alias_length" CHECK (length("backstay"."accounts"."alias") <= 128),
	CONSTRAINT "accounts_email_length" CHECK (length("backstay"."accounts"."email") <= 254),
	CONSTRAINT "accounts_phone_length" CHECK (length("backstay"."accounts"."phone") <= 32),
	CONSTRAINT "accounts_gender_length" CHECK (length("backstay"."accounts"."gender") <= 32),
	CONSTRAINT "accounts_birthday_length" CHECK (length("backstay"."accounts"."birthday") <= 10),
	CONSTRAINT "accounts_address_length" CHECK (length("backstay"."accounts"."address") <= 512)
);
--> statement-breakpoint
CREATE TABLE "backstay"."counters" (
	"account_id" uuid NOT NULL,
	"name" text NOT NULL,
	"slot" smallint DEFAULT 0 NOT NULL,
	"value" bigint NOT NULL,
	"stamp" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "counters_account_id_name_slot_pk" PRIMARY KEY("account_id","name","slot"),
	CONSTRAINT "counters_name" CHECK ("backstay"."counters"."name" ~ '^[a-z][a-z0-9_]{0,63}$')
);
--> statement-breakpoint
CREATE TABLE "backstay"."event_log" (
	"only" smallint PRIMARY KEY DEFAULT 1 NOT NULL,
	"epoch" text DEFAULT substr(replace(gen_random_uuid()::text, '-', ''), 1, 16) NOT NULL,
	"last_offset" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "event_log_only" CHECK ("backstay"."event_log"."only" = 1)
);
--> statement-breakpoint
CREATE TABLE "backstay"."event_prunes" (
	"topic" text NOT NULL,
	"log_offset" bigint NOT NULL,
	CONSTRAINT "event_prunes_topic_pk" PRIMARY KEY("topic")
);
--> statement-breakpoint
CREATE TABLE "backstay"."events" (
	"log_offset" bigint PRIMARY KEY NOT NULL,
	"topic" text NOT NULL,
	"id" uuid NOT NULL,
	"type" text NOT NULL,
	"actor_id" uuid,
	"data" jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "backstay"."grants" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"token_hash" "bytea" NOT NULL,
	"account_id" uuid,
	"family_id" uuid NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"family_expires_at" timestamp with time zone NOT NULL,
	"rotated_at" timestamp with time zone,
	CONSTRAINT "grants_kind" CHECK ("backstay"."grants"."kind" in ('access', 'refresh', 'setup')),
	CONSTRAINT "grants_owner" CHECK (("backstay"."grants"."account_id" is null) = ("backstay"."grants"."kind" = 'setup'))
);
--> statement-breakpoint
CREATE TABLE "backstay"."idempotency_keys" (
	"scope" text NOT NULL,
	"key" text NOT NULL,
	"request_hash" "bytea" NOT NULL,
	"resource_id" uuid NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	CONSTRAINT "idempotency_keys_scope_key_pk" PRIMARY KEY("scope","key"),
	CONSTRAINT "idempotency_keys_key_length" CHECK (length("backstay"."idempotency_keys"."key") <= 255)
);
--> statement-breakpoint
CREATE TABLE "backstay"."identities" (
	"id" uuid PRIMARY KEY NOT NULL,
	"account_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"subject" text NOT NULL,
	"label" text NOT NULL,
	"secret_phc" text,
	"created_at" timestamp with time zone NOT NULL,
	CONSTRAINT "identities_kind" CHECK ("backstay"."identities"."kind" in ('login')),
	CONSTRAINT "identities_subject_length" CHECK (length("backstay"."identities"."subject") between 1 and 1024)
);
--> statement-breakpoint
CREATE TABLE "backstay"."installation" (
	"only" smallint PRIMARY KEY DEFAULT 1 NOT NULL,
	"key_fingerprint" text NOT NULL,
	CONSTRAINT "installation_only" CHECK ("backstay"."installation"."only" = 1)
);
--> statement-breakpoint
CREATE TABLE "backstay"."messages" (
	"id" uuid PRIMARY KEY NOT NULL,
	"recipient_id" uuid NOT NULL,
	"sender_id" uuid NOT NULL,
	"mtime" bigint NOT NULL,
	"text" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"read_at" timestamp with time zone,
	CONSTRAINT "messages_text_length" CHECK (length("backstay"."messages"."text") <= 16384)
);
--> statement-breakpoint
CREATE TABLE "backstay"."outbox" (
	"seq" bigserial PRIMARY KEY NOT NULL,
	"id" uuid NOT NULL,
	"topics" text[] NOT NULL,
	"type" text NOT NULL,
	"actor_id" uuid,
	"data" jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "backstay"."counters" ADD CONSTRAINT "counters_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "backstay"."accounts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "backstay"."grants" ADD CONSTRAINT "grants_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "backstay"."accounts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "backstay"."identities" ADD CONSTRAINT "identities_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "backstay"."accounts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "backstay"."messages" ADD CONSTRAINT "messages_recipient_id_accounts_id_fk" FOREIGN KEY ("recipient_id") REFERENCES "backstay"."accounts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "events_topic_offset" ON "backstay"."events" USING btree ("topic","log_offset");--> statement-breakpoint
CREATE UNIQUE INDEX "grants_token_hash" ON "backstay"."grants" USING btree ("token_hash");--> statement-breakpoint
CREATE INDEX "grants_family" ON "backstay"."grants" USING btree ("family_id");--> statement-breakpoint
CREATE INDEX "grants_account" ON "backstay"."grants" USING btree ("account_id");--> statement-breakpoint
CREATE INDEX "grants_expires_at" ON "backstay"."grants" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "idempotency_keys_created_at" ON "backstay"."idempotency_keys" USING btree ("created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "identities_kind_subject" ON "backstay"."identities" USING btree ("kind","subject");--> statement-breakpoint
CREATE INDEX "identities_account" ON "backstay"."identities" USING btree ("account_id");--> statement-breakpoint
CREATE UNIQUE INDEX "messages_recipient_mtime" ON "backstay"."messages" USING btree ("recipient_id","mtime");--> statement-breakpoint
CREATE INDEX "messages_recipient_sender_mtime" ON "backstay"."messages" USING btree ("recipient_id","sender_id","mtime");