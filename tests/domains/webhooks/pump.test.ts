import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import type { JobCtx } from "../../../server/context.js";
import { webhooksDomain } from "../../../server/domains/webhooks/index.js";
import type { WebhookOptions } from "../../../server/kernel/webhooks.js";
import { startEventNode } from "../../contracts/event-nodes.js";
import { eventually, upTo } from "../support.js";
import { type Ground, prepareGround } from "./ground.js";
import { type PumpNode, startPumpNode } from "./pump-node.js";

const secret = "a secret of sixteen";

/** A node with webhooks of these options; it is stopped after the test. */
async function startNode(ground: Ground, ...webhooks: Partial<WebhookOptions>[]): Promise<PumpNode> {
  const node = await startPumpNode(ground.url, (declared) => {
    for (const options of webhooks) declared.declare("https://hooks.test/", { secret, ...options });
  });
  onTestFinished(() => node.stop());
  return node;
}

/** Waits until a webhook has this many jobs, and answers their events, in the log's order. */
function eventsOf(ground: Ground, webhook: string, count: number, ms = 10_000): Promise<string[]> {
  return eventually(ms, `${count} jobs of ${webhook}`, async () => {
    const jobs = await ground.jobsOf(webhook);
    return jobs.length >= count ? jobs.map(({ event }) => event) : undefined;
  });
}

/** Waits until all that happened so far was looked at. */
async function settled(ground: Ground, node: PumpNode, webhook: string): Promise<void> {
  node.wake();
  await eventually(10_000, "the end of the log", async () => {
    const [row] = await ground.sql`
      select from backstay.webhooks, backstay.event_log
      where id = ${webhook} and log_offset = last_offset and not exists (select from backstay.outbox)`;
    return row;
  });
}

/** Waits until so many events stand in the log. */
function logged(ground: Ground, count: number): Promise<unknown> {
  return eventually(10_000, `${count} events in the log`, async () => {
    const [row] = await ground.sql`select from backstay.event_log where last_offset >= ${count}`;
    return row;
  });
}

describe("the events of a webhook", () => {
  it("have one job each, for each webhook that they are for", async () => {
    const ground = await prepareGround();
    const node = await startNode(
      ground,
      { id: "all" },
      { id: "lines", types: ["chat.*"] },
      { id: "room", topics: ["room/{id}"] },
    );
    const lines = await ground.happen(3);
    const others = await ground.happen(2, { type: "game.over", topics: ["game/1"] });
    const typing = await ground.happen(1, { type: "typing.began" });
    await ground.happen(1, { type: "auth.revoke", topics: ["system/revocations"] });
    for (const webhook of ["all", "lines", "room"]) await settled(ground, node, webhook);

    expect(await eventsOf(ground, "all", 6)).toEqual([...lines, ...others, ...typing]);
    expect(await eventsOf(ground, "lines", 3)).toEqual(lines);
    expect(await eventsOf(ground, "room", 4)).toEqual([...lines, ...typing]);
  });

  it("are not those that were withheld from whom they concern, but for a webhook that asks for them", async () => {
    const ground = await prepareGround();
    const node = await startNode(
      ground,
      { id: "all" },
      { id: "accounts", topics: ["account/*"] },
      { id: "withheld", topics: ["system/withheld/{id}"] },
      { id: "both", topics: ["account/*", "system/*"] },
    );
    const [shown] = await ground.happen(1, { topics: ["account/ada", "account/ben"] });
    const [hidden] = await ground.happen(1, { topics: ["system/withheld/ben", "account/ben"] });
    for (const webhook of ["all", "accounts", "withheld", "both"]) await settled(ground, node, webhook);
    expect(await eventsOf(ground, "both", 2)).toEqual([shown, hidden]);
    // Under the topic that says what it is, also when the actor's own stands first.
    const [turned] = await ground.happen(1, { topics: ["account/ben", "system/withheld/ben"] });
    for (const webhook of ["all", "accounts", "withheld", "both"]) await settled(ground, node, webhook);
    const topics = await ground.sql`select log_offset::int, topic from backstay.events order by 1`;
    const topicsOf = async (webhook: string) =>
      (await ground.jobsOf(webhook)).map(({ event, offset }) => [event, topics[offset - 1]!.topic]);
    expect(await topicsOf("all")).toEqual([[shown, "account/ada"]]);
    expect(await topicsOf("accounts")).toEqual([[shown, "account/ada"]]);
    expect(await topicsOf("withheld")).toEqual([
      [hidden, "system/withheld/ben"],
      [turned, "system/withheld/ben"],
    ]);
    expect(await topicsOf("both")).toEqual([
      [shown, "account/ada"],
      [hidden, "system/withheld/ben"],
      [turned, "system/withheld/ben"],
    ]);
  });

  it("stand in their jobs by name only: what they say is in the log, and the secret nowhere", async () => {
    const ground = await prepareGround();
    await startNode(ground, { id: "all" });
    const [event] = await ground.happen(1);
    await eventsOf(ground, "all", 1);
    const [row] = await ground.sql`select args, queue, max_attempts, state from backstay.jobs`;
    expect(row).toEqual({ args: { webhook: "all", event, offset: 1 }, queue: "webhooks", max_attempts: 12, state: 1 });
  });

  it("are those from its first start on", async () => {
    const ground = await prepareGround();
    await ground.happen(3);
    const first = await startNode(ground, { id: "old" });
    await settled(ground, first, "old");
    const known = await ground.jobsOf("old");
    const [next] = await ground.happen(1);
    await eventsOf(ground, "old", known.length + 1);
    await first.stop();

    const second = await startNode(ground, { id: "old" }, { id: "new" });
    const [last] = await ground.happen(1);
    await settled(ground, second, "old");
    expect(await eventsOf(ground, "new", 1)).toEqual([last]);
    expect((await eventsOf(ground, "old", 1)).slice(known.length)).toEqual([next, last]);
  });

  it("wait for it while no node is there", async () => {
    const ground = await prepareGround();
    const first = await startNode(ground, { id: "all" });
    await first.stop();
    const events = await ground.happen(1_200);
    await startNode(ground, { id: "all" });
    expect(await eventsOf(ground, "all", 1_200)).toEqual(events);
  });

  it("have one job also when they are in several topics, wherever the log is read in parts", async () => {
    const ground = await prepareGround();
    const first = await startNode(ground, { id: "all" }, { id: "second", topics: ["b/*", "c/*"] });
    await first.stop();
    const events = await ground.happen(400, { topics: ["a/1", "b/1", "c/1"] });
    const node = await startNode(ground, { id: "all" }, { id: "second", topics: ["b/*", "c/*"] });
    for (const webhook of ["all", "second"]) await settled(ground, node, webhook);
    expect(await eventsOf(ground, "all", 400)).toEqual(events);
    expect(await eventsOf(ground, "second", 400)).toEqual(events);
    const topics = await ground.sql`
      select topic, count(*)::int from backstay.jobs join backstay.events on log_offset = (args ->> 'offset')::bigint
      group by topic order by topic`;
    expect([...topics]).toEqual([
      { topic: "a/1", count: 400 },
      { topic: "b/1", count: 400 },
    ]);
  });
});

describe("over several nodes", () => {
  it("each event has one job", async () => {
    const ground = await prepareGround();
    const nodes = await Promise.all(
      upTo(3).map(() => startNode(ground, { id: "all" }, { id: "lines", types: ["chat.line"] })),
    );
    const events: string[] = [];
    for (const n of upTo(30)) {
      events.push(...(await ground.happen(20)));
      nodes[n % 3]!.wake();
    }
    for (const webhook of ["all", "lines"]) {
      await settled(ground, nodes[0]!, webhook);
      expect(await eventsOf(ground, webhook, 600)).toEqual(events);
    }
    expect(nodes.flatMap(({ warnings }) => warnings)).toEqual([]);
  });

  it("each event has one job, whoever is killed when", { timeout: 60_000 }, async () => {
    const ground = await prepareGround();
    const script = fileURLToPath(new URL("fixtures/pump-process.ts", import.meta.url));
    const start = async (): Promise<ChildProcess> => {
      const child = spawn(process.execPath, ["--import", "tsx", script, ground.url], {
        stdio: ["ignore", "pipe", "inherit"],
        timeout: 50_000,
        killSignal: "SIGKILL",
      });
      onTestFinished(() => void child.kill("SIGKILL"));
      await once(child.stdout!, "data");
      return child;
    };
    const processes = await Promise.all([start(), start()]);
    const events: string[] = [];
    for (const n of upTo(4)) {
      // Enough that the one who is killed is likely at it.
      events.push(...(await ground.happen(1_500)));
      await logged(ground, events.length - 1_400);
      const killed = processes.shift()!;
      const gone = once(killed, "exit");
      setTimeout(() => killed.kill("SIGKILL"), n * 60);
      await gone;
      processes.push(await start());
    }
    const found = await eventsOf(ground, "all", events.length, 20_000);
    expect(found).toHaveLength(6_000);
    expect(new Set(found)).toEqual(new Set(events));
  });
});

describe("a webhook that was away for long", () => {
  it("goes on with what is kept, and says so once", async () => {
    const ground = await prepareGround();
    const first = await startNode(ground, { id: "all" });
    await first.stop();
    const relay = await startNode(ground);
    await ground.happen(10);
    await logged(ground, 10);
    await relay.stop();
    await ground.sql`delete from backstay.events where log_offset <= 6`;
    await ground.sql`insert into backstay.event_prunes (topic, log_offset) values ('room/7', 6)`;

    const node = await startNode(ground, { id: "all" });
    await settled(ground, node, "all");
    expect((await ground.jobsOf("all")).map(({ offset }) => offset)).toEqual([7, 8, 9, 10]);
    await ground.happen(1);
    await eventsOf(ground, "all", 5);
    expect(node.warnings).toHaveLength(1);
    expect(node.warnings[0]).toContain("events are no longer kept that this webhook was to have");
    expect(node.warnings[0]).toContain('"webhook":"all"');
  });

  it("takes what was erased for what it is", async () => {
    const ground = await prepareGround();
    const first = await startNode(ground, { id: "all" });
    await first.stop();
    const relay = await startNode(ground);
    await ground.happen(10);
    await logged(ground, 10);
    await relay.stop();
    await ground.sql`delete from backstay.events where log_offset in (3, 10)`;
    const node = await startNode(ground, { id: "all" });
    await settled(ground, node, "all");
    expect((await ground.jobsOf("all")).map(({ offset }) => offset)).toEqual([1, 2, 4, 5, 6, 7, 8, 9]);
    expect(node.warnings).toEqual([]);
  });

  it("begins anew in another log", async () => {
    const ground = await prepareGround();
    const first = await startNode(ground, { id: "all" });
    await ground.happen(5);
    await eventsOf(ground, "all", 5);
    await first.stop();
    await ground.sql`update backstay.event_log set epoch = 'another', last_offset = 2`;
    const node = await startNode(ground, { id: "all" });
    await settled(ground, node, "all");
    await ground.sql`delete from backstay.events`;
    const [event] = await ground.happen(1);
    node.wake();
    expect((await eventsOf(ground, "all", 6)).filter((id) => id === event)).toEqual([event]);
    expect(await ground.jobsOf("all")).toHaveLength(6);
  });

  it("is forgotten when no node has it any more, after a month", async () => {
    const ground = await prepareGround();
    const first = await startNode(ground, { id: "kept" }, { id: "gone" });
    await first.stop();
    await ground.sql`update backstay.webhooks set seen_at = now() - interval '31 days'`;
    await startNode(ground, { id: "kept" });
    const { database, stop } = await startEventNode(ground.url);
    onTestFinished(stop);
    const pruning = webhooksDomain.jobs!.find(({ name }) => name === "backstay.webhooks.prune")!;
    await pruning.run({}, { database } as JobCtx);
    expect(await ground.sql`select id from backstay.webhooks`).toEqual([{ id: "kept" }]);
  });
});
