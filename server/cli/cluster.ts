import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type SharedGround, shareGround } from "../app.js";
import { runUntilSignal } from "../main.js";
import { type DemoAccount, signInDemo } from "./demo.js";
import { freePort } from "./free-port.js";
import { type NatsServer, startNatsServer } from "./nats-server.js";
import { explainHome } from "./start-errors.js";

export interface ClusterFlags {
  nodes: number;
  /** The first node's; the others have those that follow. 0 takes any free ones. */
  port: number;
  home: string;
  json?: true;
  demo: boolean;
}

interface Node {
  readonly number: number;
  readonly url: string;
  readonly pid: number;
  readonly setupUrl: string | undefined;
  /** Ends it in order; resolves when it is gone. */
  stop(): Promise<void>;
}

interface ClusterStarted {
  nodes: Node[];
  version: string;
  natsUrl: string;
}

/** Runs several servers of this machine on one PostgreSQL and one NATS, for development, until a signal ends them all. */
export async function runCluster(flags: ClusterFlags): Promise<void> {
  const home = join(flags.home, "cluster");
  const { started, ended } = await runUntilSignal(createCluster(home, flags)).catch((error) => {
    throw explainHome(error, home);
  });
  const demo = flags.demo ? await signInDemo(started.nodes[0]!.url, home) : [];
  const urls = started.nodes.map(({ url }) => url);
  if (flags.json || !process.stdout.isTTY) {
    const nodes = started.nodes.map(({ url, pid }) => ({ url, pid }));
    console.log(JSON.stringify({ nodes, setupUrl: started.nodes[0]!.setupUrl, home, demo }));
  } else {
    console.log(screen(home, started, demo));
  }
  console.log(flags.json ? JSON.stringify({ ready: true, urls }) : `backstay cluster ready ${urls.join(" ")}`);
  await ended;
}

function createCluster(home: string, flags: ClusterFlags) {
  let ground: SharedGround | undefined;
  let nats: NatsServer | undefined;
  let nodes: Promise<Node>[] = [];
  let stopping = false;
  let starting: Promise<ClusterStarted> | undefined;

  const start = async (): Promise<ClusterStarted> => {
    ground = await shareGround(home, await freePort());
    if (stopping) throw new Error("stopped while it started");
    nats = await startNatsServer({ storeDir: join(home, "var", "nats") });
    if (stopping) throw new Error("stopped while it started");
    const env = {
      ...process.env,
      BACKSTAY_DATABASE_URL: ground.databaseUrl,
      BACKSTAY_NATS_URL: nats.url,
      BACKSTAY_SECRET: ground.secret,
      BACKSTAY_SECRET_PREVIOUS: ground.secretPrevious,
    };
    nodes = Array.from({ length: flags.nodes }, (_, n) => {
      const port = flags.port === 0 ? 0 : flags.port + n;
      return startNode(n + 1, { home, port, env });
    });
    return { nodes: await Promise.all(nodes), version: ground.version, natsUrl: nats.url };
  };
  const end = async () => {
    await Promise.all(nodes.map((node) => node.then(({ stop }) => stop()).catch(() => {})));
    await nats?.stop();
    await ground?.stop();
  };

  return {
    async start() {
      starting = start();
      // What one node cannot do ends the others too.
      return starting.catch(async (error) => {
        await end();
        throw error;
      });
    },
    async stop() {
      stopping = true;
      await starting?.catch(() => {});
      await end();
    },
  };
}

async function startNode(
  number: number,
  { home, port, env }: { home: string; port: number; env: NodeJS.ProcessEnv },
): Promise<Node> {
  const own = join(home, "nodes", String(number));
  const log = join(home, "log", `node-${number}.log`);
  const words = ["serve", "--json", "--port", String(port), "--home", own, "--log-file", log];
  // In a group of its own, so that Ctrl-C reaches us, and us only. By its line to us it notices when we are killed.
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...words], {
    env,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    detached: true,
  });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  let complaint = "";
  /** Whether its end would be news. */
  let isServing = false;
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-2_000);
  });
  const gone = new Promise<void>((resolve) => {
    child.once("close", (code, signal) => {
      process.off("exit", kill);
      if (isServing)
        console.error(`backstay: node ${number} (process ${child.pid}) ended: ${signal ?? `code ${code}`}`);
      resolve();
    });
  });
  const { url, setupUrl } = await readReady(child, number).catch(async (error) => {
    await gone;
    const said = complaint.trim().split("\n").at(-1);
    throw new Error(`node ${number}: ${said?.replace(/^backstay: /, "") || error}`);
  });
  isServing = true;
  const stop = () => {
    isServing = false;
    child.kill("SIGTERM");
    return gone;
  };
  return { number, url, setupUrl, pid: child.pid!, stop };
}

/** What a node says of itself, up to its ready line. What its app prints is printed. */
function readReady(child: ChildProcess, number: number): Promise<{ url: string; setupUrl: string | undefined }> {
  const lines = createInterface({ input: child.stdout! });
  let setupUrl: string | undefined;
  let isReady = false;
  return new Promise((resolve, reject) => {
    lines.on("line", (line) => {
      const said = isReady ? undefined : parseFacts(line);
      if (said === undefined) return console.log(`node ${number}: ${line}`);
      setupUrl = said.setupUrl ?? setupUrl;
      if (!said.ready) return;
      isReady = true;
      resolve({ url: said.url!, setupUrl });
    });
    lines.once("close", () => reject(new Error("it ended before it was ready")));
  });
}

function parseFacts(line: string): { ready?: true; url?: string; setupUrl?: string } | undefined {
  return /^\{"(version|ready)":/.test(line) ? JSON.parse(line) : undefined;
}

function screen(home: string, { nodes, version, natsUrl }: ClusterStarted, demo: DemoAccount[]): string {
  const [first, second = first] = nodes;
  const [ada, ben] = demo;
  const lines = [
    "",
    ...nodes.map(
      ({ number, url, pid }) => `  Node ${number}   ${url}   process ${pid}, log ${home}/log/node-${number}.log`,
    ),
    `  Data     embedded PostgreSQL ${version}`,
    `  Bus      ${natsUrl}`,
    `           reset: stop the cluster, then remove ${home}`,
    ...(first?.setupUrl ? [`  Admin    ${first.setupUrl}   (works once, for 30 minutes)`] : []),
    "",
  ];
  if (ada && ben) {
    lines.push(
      "  Ben's live events at one node, in a second terminal:",
      `    curl -N ${second!.url}/v1/events:subscribe -H 'accept: application/x-ndjson' -H 'authorization: Bearer ${ben.token}'`,
      "",
      "  Ada writes to Ben at the other:",
      `    curl -s ${first!.url}/v1/messages -H 'authorization: Bearer ${ada.token}' -H 'content-type: application/json' -d '{"recipientId":"${ben.id}","text":"Hello Ben"}'`,
      "",
    );
  }
  return lines.join("\n");
}
