import { setMaxListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { SystemService } from "#gen/backstay/system/v1/system_pb.js";
import { HealthCheckResponse_ServingStatus as Status } from "#gen/grpc/health/v1/health_pb.js";
import type { Ctx } from "../../../server/context.js";
import { grpcServices } from "../../../server/http/grpc/index.js";
import { places } from "../../../server/http/grpc/places.js";
import { until } from "../../../server/http/grpc/until.js";
import { serve } from "../../../server/manifest.js";
import { within } from "../../domains/support.js";

const ours = [serve(SystemService, { ping: () => ({}), getInfo: () => ({}), getKeyStatus: () => ({}) })];

describe("the services for gRPC's own tools", () => {
  const namesOf = (reflection: boolean) =>
    grpcServices(ours, { isReady: async () => true }, { reflection }).map(({ descriptor }) => descriptor.typeName);

  it("are health and both versions of reflection", () => {
    expect(namesOf(true)).toEqual([
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
    ]);
  });

  it("are health alone when reflection is not wanted", () => {
    expect(namesOf(false)).toEqual(["grpc.health.v1.Health"]);
  });

  it("have no path of REST", () => {
    const services = grpcServices(ours, { isReady: async () => true }, { reflection: true });
    for (const { descriptor } of services) {
      for (const method of descriptor.methods) expect(method.proto.options?.$unknown ?? []).toEqual([]);
    }
  });
});

describe("health", () => {
  /** A server whose readiness the test decides, and a call of Watch. */
  function house(ready: boolean) {
    const state = { ready, asked: 0 };
    const isReady = async () => {
      state.asked++;
      return state.ready;
    };
    const [{ handlers }] = grpcServices(ours, { isReady }, { reflection: false }) as [ReturnType<typeof serve>];
    const draining = new AbortController();
    setMaxListeners(0, draining.signal);
    const watch = (service: string) => {
      const call = new AbortController();
      const ctx = { signal: call.signal, draining: draining.signal } as unknown as Ctx;
      const items = handlers.watch!({ service }, ctx) as AsyncGenerator<{ status: Status }>;
      const next = async () => {
        const { done, value } = await within(10_000, items.next(), "the watch says something");
        return done ? "end" : Status[value.status];
      };
      return { next, hangUp: () => call.abort() };
    };
    const check = (service: string) => handlers.check!({ service }, {} as Ctx);
    return { state, draining, watch, check };
  }

  it("is what readiness is, for the server and for each service", async () => {
    const { state, check } = house(true);
    for (const name of ["", SystemService.typeName]) expect(await check(name)).toEqual({ status: Status.SERVING });
    state.ready = false;
    for (const name of ["", SystemService.typeName]) expect(await check(name)).toEqual({ status: Status.NOT_SERVING });
  });

  it("of a service that is not served is an error of kind not_found", async () => {
    await expect(house(true).check("chess")).rejects.toMatchObject({ kind: "not_found" });
  });

  it("is watched: told at once, and then at every change only", async () => {
    const { state, watch } = house(false);
    const { next, hangUp } = watch("");
    expect(await next()).toBe("NOT_SERVING");
    state.ready = true;
    expect(await next()).toBe("SERVING");
    state.ready = false;
    expect(await next()).toBe("NOT_SERVING");
    hangUp();
    expect(await next()).toBe("end");
  });

  it("is looked at once for all who watch, and no more when nobody does", async () => {
    const { state, watch } = house(true);
    const watches = Array.from({ length: 50 }, () => watch(""));
    for (const { next } of watches) expect(await next()).toBe("SERVING");
    const before = state.asked;
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(state.asked - before).toBeLessThan(50);
    for (const { hangUp } of watches) hangUp();
    for (const { next } of watches) expect(await next()).toBe("end");
    const after = state.asked;
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(state.asked).toBe(after);
  });

  it("ends for those who watch when the server stops, after NOT_SERVING", async () => {
    const { draining, watch } = house(true);
    const [served, unknown] = [watch(SystemService.typeName), watch("chess")];
    expect(await served.next()).toBe("SERVING");
    expect(await unknown.next()).toBe("SERVICE_UNKNOWN");
    draining.abort();
    expect(await served.next()).toBe("NOT_SERVING");
    for (const { next } of [served, unknown]) expect(await next()).toBe("end");
  });

  it("is watched by so many and no more: TOO_MANY_STREAMS", async () => {
    const { watch } = house(true);
    const watches = Array.from({ length: 1_000 }, () => watch(""));
    for (const { next } of watches) await next();
    await expect(watch("").next()).rejects.toMatchObject({ reason: "TOO_MANY_STREAMS" });
    for (const { hangUp } of watches) hangUp();
    for (const { next } of watches) await next();
    expect(await watch("").next()).toBe("SERVING");
  });
});

describe("places", () => {
  it("are free again when somebody leaves", () => {
    const { enter } = places(1);
    const leave = enter();
    expect(enter).toThrow(expect.objectContaining({ reason: "TOO_MANY_STREAMS" }));
    leave();
    expect(enter).not.toThrow();
  });
});

describe("until", () => {
  it("gives the items up to the signal, also when it waits for the next", async () => {
    const end = new AbortController();
    const items = async function* () {
      yield 1;
      yield 2;
      await new Promise(() => {});
    };
    const seen: number[] = [];
    for await (const item of until(end.signal, items())) {
      seen.push(item);
      if (item === 2) setTimeout(() => end.abort(), 10);
    }
    expect(seen).toEqual([1, 2]);
  });

  it("passes on how the items end", async () => {
    const items = async function* (): AsyncGenerator<number> {
      yield 1;
      throw new Error("broken off");
    };
    const all = until(new AbortController().signal, items());
    expect(await all.next()).toEqual({ done: false, value: 1 });
    await expect(all.next()).rejects.toThrow("broken off");
  });
});
