import { afterEach, describe, expect, it } from "vitest";
import type { Bus } from "../../server/platform/bus/bus.js";

/** Makes an implementation of the port; it is started and stopped by the suite. */
export type MakeBus = (onError: (error: unknown) => void) => Bus;

/** What every implementation of the bus promises. */
export function exerciseBus(make: MakeBus): void {
  const started: Bus[] = [];
  const errors: unknown[] = [];

  const start = async () => {
    const bus = make((error) => errors.push(error));
    started.push(bus);
    await bus.start();
    return bus;
  };
  /** Resolves when everything that was published before has been delivered. */
  const settled = (bus: Bus) =>
    new Promise<void>((resolve) => {
      const leave = bus.subscribe("settled", () => {
        leave();
        resolve();
      });
      bus.publish("settled", null);
    });
  /** Listens and keeps what it hears. */
  const listen = (bus: Bus, subject: string) => {
    const heard: unknown[] = [];
    return { heard, leave: bus.subscribe(subject, (message) => heard.push(message)) };
  };

  afterEach(async () => {
    await Promise.all(started.splice(0).map((bus) => bus.stop()));
    errors.length = 0;
  });

  describe("delivery", () => {
    it("brings every message to every listener of its subject, in the order of publication", async () => {
      const bus = await start();
      const [one, two] = [listen(bus, "events.a"), listen(bus, "events.a")];
      const sent = Array.from({ length: 1_000 }, (_, n) => ({ n }));
      for (const message of sent) bus.publish("events.a", message);
      await settled(bus);
      expect(one.heard).toEqual(sent);
      expect(two.heard).toEqual(sent);
    });

    it("keeps the order across subjects", async () => {
      const bus = await start();
      const heard: unknown[] = [];
      for (const subject of ["a", "b", "c"]) bus.subscribe(subject, (message) => heard.push(message));
      const sent = Array.from({ length: 300 }, (_, n) => n);
      for (const n of sent) bus.publish("abc"[n % 3]!, n);
      await settled(bus);
      expect(heard).toEqual(sent);
    });

    it("takes a subject for exactly what it is", async () => {
      const bus = await start();
      const others = [
        "events",
        "events.account/1",
        "events.account/123",
        "events.*",
        "events.>",
        "EVENTS.account/12",
        "",
      ];
      const strangers = others.map((subject) => listen(bus, subject));
      const { heard } = listen(bus, "events.account/12");
      bus.publish("events.account/12", "mine");
      await settled(bus);
      expect(heard).toEqual(["mine"]);
      expect(strangers.flatMap((stranger) => stranger.heard)).toEqual([]);
    });

    it("does not call a listener before the publisher's own turn is over", async () => {
      const bus = await start();
      const { heard } = listen(bus, "a");
      bus.publish("a", 1);
      expect(heard).toEqual([]);
      await settled(bus);
      expect(heard).toEqual([1]);
    });

    it("brings what a listener publishes after what was published before", async () => {
      const bus = await start();
      const heard: unknown[] = [];
      bus.subscribe("a", (message) => {
        heard.push(message);
        if (message === 1) bus.publish("a", "an answer to 1");
      });
      for (const n of [1, 2, 3]) bus.publish("a", n);
      await settled(bus);
      await settled(bus);
      expect(heard).toEqual([1, 2, 3, "an answer to 1"]);
    });

    it("keeps nothing for those who come later", async () => {
      const bus = await start();
      bus.publish("a", "before");
      await settled(bus);
      const { heard } = listen(bus, "a");
      await settled(bus);
      expect(heard).toEqual([]);
    });
  });

  describe("listeners", () => {
    it("hear nothing more once they have left, and may leave twice", async () => {
      const bus = await start();
      const [gone, stays] = [listen(bus, "a"), listen(bus, "a")];
      bus.publish("a", 1);
      await settled(bus);
      gone.leave();
      gone.leave();
      bus.publish("a", 2);
      await settled(bus);
      expect(gone.heard).toEqual([1]);
      expect(stays.heard).toEqual([1, 2]);
    });

    it("may leave while they are called, and stop nobody by that", async () => {
      const bus = await start();
      const heard: string[] = [];
      const leave = bus.subscribe("a", () => {
        heard.push("first");
        leave();
      });
      bus.subscribe("a", () => heard.push("second"));
      bus.publish("a", 1);
      bus.publish("a", 2);
      await settled(bus);
      expect(heard).toEqual(["first", "second", "second"]);
    });

    it("are called as often as they were subscribed, each until its own end", async () => {
      const bus = await start();
      const heard: unknown[] = [];
      const listener = (message: unknown) => heard.push(message);
      const leave = bus.subscribe("a", listener);
      bus.subscribe("a", listener);
      bus.publish("a", 1);
      await settled(bus);
      leave();
      bus.publish("a", 2);
      await settled(bus);
      expect(heard).toEqual([1, 1, 2]);
    });

    it("that throw stop neither the others nor the publisher, and are reported", async () => {
      const bus = await start();
      const failure = new Error("listener broke");
      bus.subscribe("a", () => {
        throw failure;
      });
      const { heard } = listen(bus, "a");
      expect(() => bus.publish("a", 1)).not.toThrow();
      bus.publish("a", 2);
      await settled(bus);
      expect(heard).toEqual([1, 2]);
      expect(errors).toEqual([failure, failure]);
    });

    it("can come back to a subject that everyone had left", async () => {
      const bus = await start();
      const first = listen(bus, "a");
      first.leave();
      const second = listen(bus, "a");
      first.leave();
      bus.publish("a", 1);
      await settled(bus);
      expect(second.heard).toEqual([1]);
    });
  });

  it("says nothing of missed notices while none are", async () => {
    const bus = await start();
    let gaps = 0;
    bus.onGap(() => gaps++);
    const { heard } = listen(bus, "a");
    for (let n = 0; n < 1_000; n++) bus.publish("a", n);
    await settled(bus);
    expect([heard.length, gaps]).toEqual([1_000, 0]);
  });

  describe("start and stop", () => {
    it("delivers nothing after stop, which may come twice or without a start", async () => {
      const bus = await start();
      const { heard } = listen(bus, "a");
      bus.publish("a", "on its way");
      await Promise.all([bus.stop(), bus.stop()]);
      bus.publish("a", "too late");
      await new Promise((resolve) => setImmediate(resolve));
      expect(heard.filter((message) => message !== "on its way")).toEqual([]);
      await make(() => {}).stop();
    });
  });
}
