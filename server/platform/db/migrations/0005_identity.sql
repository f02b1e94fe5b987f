CREATE TABLE "backstay"."api_keys" (
	"id" uuid PRIMARY KEY NOT NULL,
	"account_id" uuid,
	"name" text NOT NULL,
	"scopes" text[] NOT NULL,
	"key_hash" "bytea" NOT NULL,
	"key_sealed" "bytea" NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	CONSTRAINT "api_keys_name_length" CHECK (length("backstay"."api_keys"."name") <= 128)
);
--> statement-breakpoint
CREATE TABLE "backstay"."audit_head" (
	"only" smallint PRIMARY KEY DEFAULT 1 NOT NULL,
	"first_hash" "bytea" NOT NULL,
	"pruned_sequence" bigint NOT NULL,
	"last_sequence" bigint NOT NULL,
	"last_hash" "bytea" NOT NULL,
	"mac" "bytea" NOT NULL,
	CONSTRAINT "audit_head_only" CHECK ("backstay"."audit_head"."only" = 1)
);
--> statement-breakpoint
CREATE TABLE "backstay"."audit_inbox" (
	"seq" bigserial PRIMARY KEY NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"type" text NOT NULL,
	"actor_kind" text NOT NULL,
	"actor_id" uuid,
	"account_id" uuid,
	"address" text NOT NULL,
	"request_id" text NOT NULL,
	"detail" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "backstay"."audit_log" (
	"sequence" bigint PRIMARY KEY NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"type" text NOT NULL,
	"actor_kind" text NOT NULL,
	"actor_id" uuid,
	"account_id" uuid,
	"address" text NOT NULL,
	"request_id" text NOT NULL,
	"detail" text NOT NULL,
	"hash" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "backstay"."auth_challenges" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"account_id" uuid,
	"token_hash" "bytea",
	"data_sealed" "bytea" NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "auth_challenges_kind" CHECK ("backstay"."auth_challenges"."kind" in ('passkey-registration', 'passkey-sign-in', 'oauth'))
);
--> statement-breakpoint
CREATE TABLE "backstay"."devices" (
	"id" uuid PRIMARY KEY NOT NULL,
	"account_id" uuid NOT NULL,
	"name" text NOT NULL,
	"method" text NOT NULL,
	"address" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"last_seen_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "devices_name_length" CHECK (length("backstay"."devices"."name") <= 256),
	CONSTRAINT "devices_method" CHECK ("backstay"."devices"."method" in ('secret', 'passkey', 'oidc', 'anonymous', 'session'))
);
--> statement-breakpoint
CREATE TABLE "backstay"."one_time_codes" (
	"account_id" uuid NOT NULL,
	"purpose" text NOT NULL,
	"target" text NOT NULL,
	"code_mac" "bytea" NOT NULL,
	"tries" integer NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "one_time_codes_account_id_purpose_pk" PRIMARY KEY("account_id","purpose"),
	CONSTRAINT "one_time_codes_purpose" CHECK ("backstay"."one_time_codes"."purpose" in ('verify-email', 'reset-secret'))
);
--> statement-breakpoint
CREATE TABLE "backstay"."recovery_codes" (
	"account_id" uuid NOT NULL,
	"code_mac" "bytea" NOT NULL,
	CONSTRAINT "recovery_codes_account_id_code_mac_pk" PRIMARY KEY("account_id","code_mac")
);
--> statement-breakpoint
CREATE UNLOGGED TABLE "backstay"."sign_in_tries" (
	"key" "bytea" PRIMARY KEY NOT NULL,
	"tries" integer NOT NULL,
	"last_at" timestamp with time zone NOT NULL,
	"locked_until" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "backstay"."totp" (
	"account_id" uuid PRIMARY KEY NOT NULL,
	"secret_sealed" "bytea" NOT NULL,
	"confirmed_at" timestamp with time zone,
	"last_step" bigint NOT NULL,
	"created_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "backstay"."identities" DROP CONSTRAINT "identities_kind";--> statement-breakpoint
ALTER TABLE "backstay"."accounts" ADD COLUMN "status" text DEFAULT 'active' NOT NULL;--> statement-breakpoint
ALTER TABLE "backstay"."accounts" ADD COLUMN "email_verified_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "backstay"."identities" ADD COLUMN "detail" jsonb;--> statement-breakpoint
ALTER TABLE "backstay"."identities" ADD COLUMN "last_used_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "backstay"."api_keys" ADD CONSTRAINT "api_keys_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "backstay"."accounts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "backstay"."auth_challenges" ADD CONSTRAINT "auth_challenges_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "backstay"."accounts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "backstay"."devices" ADD CONSTRAINT "devices_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "backstay"."accounts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "backstay"."one_time_codes" ADD CONSTRAINT "one_time_codes_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "backstay"."accounts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "backstay"."recovery_codes" ADD CONSTRAINT "recovery_codes_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "backstay"."accounts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "backstay"."totp" ADD CONSTRAINT "totp_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "backstay"."accounts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_key_hash" ON "backstay"."api_keys" USING btree ("key_hash");--> statement-breakpoint
CREATE INDEX "api_keys_account" ON "backstay"."api_keys" USING btree ("account_id","created_at","id");--> statement-breakpoint
CREATE INDEX "audit_log_at" ON "backstay"."audit_log" USING btree ("at");--> statement-breakpoint
CREATE INDEX "audit_log_type" ON "backstay"."audit_log" USING btree ("type","sequence");--> statement-breakpoint
CREATE INDEX "audit_log_actor" ON "backstay"."audit_log" USING btree ("actor_id","sequence");--> statement-breakpoint
CREATE INDEX "audit_log_account" ON "backstay"."audit_log" USING btree ("account_id","sequence");--> statement-breakpoint
CREATE INDEX "auth_challenges_expires_at" ON "backstay"."auth_challenges" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "auth_challenges_account" ON "backstay"."auth_challenges" USING btree ("account_id");--> statement-breakpoint
CREATE INDEX "devices_account" ON "backstay"."devices" USING btree ("account_id","created_at","id");--> statement-breakpoint
CREATE INDEX "devices_expires_at" ON "backstay"."devices" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "one_time_codes_target" ON "backstay"."one_time_codes" USING btree ("target");--> statement-breakpoint
CREATE INDEX "one_time_codes_expires_at" ON "backstay"."one_time_codes" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "sign_in_tries_last_at" ON "backstay"."sign_in_tries" USING btree ("last_at");--> statement-breakpoint
ALTER TABLE "backstay"."accounts" ADD CONSTRAINT "accounts_status" CHECK ("backstay"."accounts"."status" in ('active', 'banned'));--> statement-breakpoint
ALTER TABLE "backstay"."identities" ADD CONSTRAINT "identities_kind" CHECK ("backstay"."identities"."kind" in ('login', 'email', 'oidc', 'passkey', 'anonymous'));--> statement-breakpoint
INSERT INTO "backstay"."devices" ("id", "account_id", "name", "method", "address", "created_at", "last_seen_at", "expires_at")
SELECT DISTINCT ON ("family_id") "family_id", "account_id", '', CASE WHEN "kind" = 'cookie' THEN 'session' ELSE 'secret' END, '', "created_at", "created_at", "family_expires_at"
FROM "backstay"."grants" WHERE "account_id" IS NOT NULL ORDER BY "family_id", "created_at"
ON CONFLICT DO NOTHING;--> statement-breakpoint
INSERT INTO "backstay"."audit_head" ("first_hash", "pruned_sequence", "last_sequence", "last_hash", "mac")
VALUES ('', 0, 0, '', '') ON CONFLICT DO NOTHING;--> statement-breakpoint
CREATE OR REPLACE FUNCTION "backstay"."audit_log_stays"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'DELETE' AND current_setting('backstay.audit_retention', true) = 'on' THEN
		RETURN OLD;
	END IF;
	RAISE EXCEPTION 'the audit log is only ever added to';
END
$$;--> statement-breakpoint
CREATE OR REPLACE TRIGGER "audit_log_rows_stay" BEFORE UPDATE OR DELETE ON "backstay"."audit_log"
FOR EACH ROW EXECUTE FUNCTION "backstay"."audit_log_stays"();--> statement-breakpoint
CREATE OR REPLACE TRIGGER "audit_log_stays" BEFORE TRUNCATE ON "backstay"."audit_log"
FOR EACH STATEMENT EXECUTE FUNCTION "backstay"."audit_log_stays"();
