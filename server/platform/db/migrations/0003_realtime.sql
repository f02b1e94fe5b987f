CREATE UNLOGGED TABLE "backstay"."nodes" (
	"id" uuid PRIMARY KEY NOT NULL,
	"seen_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE UNLOGGED TABLE "backstay"."presences" (
	"topic" text NOT NULL,
	"account_id" uuid NOT NULL,
	"node_id" uuid NOT NULL,
	"since" timestamp with time zone NOT NULL,
	"data" text,
	"data_at" timestamp with time zone,
	"left_at" timestamp with time zone,
	CONSTRAINT "presences_topic_account_id_node_id_pk" PRIMARY KEY("topic","account_id","node_id")
);
--> statement-breakpoint
CREATE INDEX "presences_node" ON "backstay"."presences" USING btree ("node_id");--> statement-breakpoint
CREATE INDEX "presences_account" ON "backstay"."presences" USING btree ("account_id");--> statement-breakpoint
CREATE INDEX "presences_left" ON "backstay"."presences" USING btree ("left_at") WHERE "backstay"."presences"."left_at" is not null;