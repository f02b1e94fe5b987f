import { Access, RateClass } from "#gen/backstay/options/v1/options_pb.js";
import { HealthCheckResponse_ServingStatus, Health as HealthService } from "#gen/grpc/health/v1/health_pb.js";
import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { type Served, serve } from "../../manifest.js";
import type { Health } from "../health.js";
import { places } from "./places.js";
import { createReadiness, type Readiness } from "./readiness.js";

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus;

const TERMS = { access: Access.PUBLIC, rateClass: RateClass.READ };

/** Watches that may be open on this node. */
const MAX_WATCHES = 1_000;

/**
 * gRPC health checking: readiness as `/readyz` tells it, for the server (by the empty name) and for each service. One
 * process serves all or none, so they never differ.
 */
export function healthService(health: Pick<Health, "isReady">, services: readonly string[]): Served {
  const names = new Set(["", ...services]);
  const readiness = createReadiness(health);
  const open = places(MAX_WATCHES);
  const statusNow = async () => ((await health.isReady()) ? SERVING : NOT_SERVING);

  const handlers = {
    async check({ service }: { service: string }) {
      if (!names.has(service)) throw new DomainError("SERVICE_NOT_FOUND", `No service ${service} is served here.`);
      return { status: await statusNow() };
    },
    async list() {
      const status = await statusNow();
      return { statuses: Object.fromEntries([...names].map((name) => [name, { status }])) };
    },
    async *watch({ service }: { service: string }, ctx: Ctx) {
      const leave = open.enter();
      try {
        // A service that is unknown stays so: what is served is known at the start.
        const statusOf = (ready: boolean) => (!names.has(service) ? SERVICE_UNKNOWN : ready ? SERVING : NOT_SERVING);
        for await (const status of follow(readiness, ctx, statusOf)) yield { status };
      } finally {
        leave();
      }
    },
  };
  return serve(HealthService, handlers, TERMS);
}

/** What readiness says to the caller: now, and at every change. A drain is its last word, and ends it. */
async function* follow<T>(readiness: Readiness, ctx: Ctx, say: (ready: boolean) => T): AsyncGenerator<T> {
  let wake = () => {};
  const heard = () => wake();
  const unfollow = readiness.follow(heard);
  const ends = [ctx.signal, ctx.draining];
  for (const end of ends) end.addEventListener("abort", heard);
  try {
    await readiness.look();
    let told: T | undefined;
    while (!ctx.signal.aborted) {
      const now = say(readiness.isReady() && !ctx.draining.aborted);
      if (now !== told) {
        told = now;
        yield now;
      } else if (ctx.draining.aborted) return;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    unfollow();
    for (const end of ends) end.removeEventListener("abort", heard);
  }
}
