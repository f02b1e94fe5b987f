CREATE TABLE "backstay"."crons" (
	"id" text PRIMARY KEY NOT NULL,
	"expression" text NOT NULL,
	"time_zone" text NOT NULL,
	"job_name" text NOT NULL,
	"args" jsonb NOT NULL,
	"queue" text,
	"missed" text NOT NULL,
	"paused_at" timestamp with time zone,
	"next_at" timestamp with time zone,
	"last_at" timestamp with time zone,
	"last_job_id" uuid,
	"seen_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "backstay"."job_queues" (
	"name" text PRIMARY KEY NOT NULL,
	"paused_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "backstay"."job_workers" (
	"id" uuid PRIMARY KEY NOT NULL,
	"lease_until" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "backstay"."jobs" (
	"id" uuid PRIMARY KEY NOT NULL,
	"seq" bigserial NOT NULL,
	"name" text NOT NULL,
	"queue" text NOT NULL,
	"args" jsonb NOT NULL,
	"state" smallint DEFAULT 1 NOT NULL,
	"due" boolean NOT NULL,
	"parked" boolean DEFAULT false NOT NULL,
	"priority" smallint NOT NULL,
	"run_at" timestamp with time zone NOT NULL,
	"order_key" text,
	"unique_key" text,
	"holds_key" boolean NOT NULL,
	"unique_until" timestamp with time zone,
	"attempts" integer DEFAULT 0 NOT NULL,
	"max_attempts" integer NOT NULL,
	"fence" integer DEFAULT 0 NOT NULL,
	"timeout_ms" integer,
	"worker_id" uuid,
	"progress" jsonb,
	"result" jsonb,
	"last_error" text,
	"cron_id" text,
	"cron_tick" timestamp with time zone,
	"created_at" timestamp with time zone NOT NULL,
	"started_at" timestamp with time zone,
	"finished_at" timestamp with time zone,
	CONSTRAINT "jobs_unique_key_length" CHECK (length("backstay"."jobs"."unique_key") <= 255),
	CONSTRAINT "jobs_order_key_length" CHECK (length("backstay"."jobs"."order_key") <= 255)
);
--> statement-breakpoint
CREATE TABLE "backstay"."webhooks" (
	"id" text PRIMARY KEY NOT NULL,
	"epoch" text NOT NULL,
	"log_offset" bigint NOT NULL,
	"seen_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "jobs_due" ON "backstay"."jobs" USING btree ("queue","name","priority" DESC NULLS FIRST,"run_at","seq") WHERE "backstay"."jobs"."due";--> statement-breakpoint
CREATE INDEX "jobs_later" ON "backstay"."jobs" USING btree ("run_at") WHERE not "backstay"."jobs"."due" and not "backstay"."jobs"."parked" and "backstay"."jobs"."state" in (1, 3);--> statement-breakpoint
CREATE INDEX "jobs_running" ON "backstay"."jobs" USING btree ("worker_id") WHERE "backstay"."jobs"."state" = 2;--> statement-breakpoint
CREATE UNIQUE INDEX "jobs_unique" ON "backstay"."jobs" USING btree ("unique_key") WHERE "backstay"."jobs"."holds_key";--> statement-breakpoint
CREATE INDEX "jobs_ordered" ON "backstay"."jobs" USING btree ("order_key","seq") WHERE "backstay"."jobs"."order_key" is not null and "backstay"."jobs"."state" in (1, 2, 3);--> statement-breakpoint
CREATE UNIQUE INDEX "jobs_order_running" ON "backstay"."jobs" USING btree ("order_key") WHERE "backstay"."jobs"."order_key" is not null and "backstay"."jobs"."state" = 2;--> statement-breakpoint
CREATE UNIQUE INDEX "jobs_cron" ON "backstay"."jobs" USING btree ("cron_id","cron_tick") WHERE "backstay"."jobs"."cron_id" is not null;--> statement-breakpoint
CREATE INDEX "jobs_finished" ON "backstay"."jobs" USING btree ("finished_at") WHERE "backstay"."jobs"."finished_at" is not null;--> statement-breakpoint
CREATE INDEX "jobs_dead" ON "backstay"."jobs" USING btree ("queue") WHERE "backstay"."jobs"."state" = 5;