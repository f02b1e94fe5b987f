/**
 * The readers of many streams, in a process of their own. Each message of its parent is one order, answered by what it saw.
 * An event is known by a mark in its text, after which stands when it was sent: `~event~1732000000000.123~`.
 */
import { readFileSync } from "node:fs";
import http from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";

const MARK = "~event~";
/** The mark, the time, and what closes it. */
const LONGEST = 40;
const TICKS = 100;
/** Connections that are opened at once. */
const ABREAST = 64;
const PATIENCE_MS = 30_000;

const agent = new http.Agent({ keepAlive: true });
const groups = new Map();

const orders = { open, tell, pace, pause, close };

process.on("message", async ({ id, order, ...input }) => {
  try {
    process.send({ id, answer: await orders[order](input) });
  } catch (error) {
    process.send({ id, error: error.message });
  }
});
process.on("disconnect", () => process.exit());

/** Streams that are told the same. */
class Group {
  streams = [];
  sessions = [];
  seen = 0;
  isRecording = false;
  latencies = [];
  #wanted = Number.POSITIVE_INFINITY;
  #reached = () => {};

  /** Resolves when all streams together have seen so many more events. */
  more(count) {
    this.#wanted = this.seen + count;
    return within(new Promise((resolve) => (this.#reached = resolve)), `${count} events`);
  }

  heard(sentAt) {
    if (this.isRecording) this.latencies.push(performance.timeOrigin + performance.now() - sentAt);
    if (++this.seen === this.#wanted) this.#reached();
  }
}

/** Opens streams and waits until each has said something. */
async function open({ name, target, count }) {
  const group = groups.get(name) ?? new Group();
  groups.set(name, group);
  const openOne = target.protocol === "http1" ? openHttp1 : openHttp2;
  for (let left = count; left > 0; left -= ABREAST) {
    const some = Array.from({ length: Math.min(ABREAST, left) }, () => openOne(group, target));
    await within(Promise.all(some), `streams of ${name}`);
  }
}

function openHttp1(group, { port, request }) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => socket.write(request, "latin1"));
    socket.on("error", reject);
    follow(group, socket, (text) => {
      const [head, body] = text.split("\r\n\r\n", 2);
      if (!head.startsWith("200", 9)) reject(new Error(`the server answered ${text.slice(0, 400)}`));
      return body ? resolve() : false;
    });
    group.streams.push(socket);
  });
}

async function openHttp2(group, { port, path, headers, body, perSession }) {
  const session = await sessionOf(group, port, perSession);
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":method": "POST", ":path": path, ...headers });
    stream.on("error", reject);
    follow(group, stream, resolve);
    stream.end(Buffer.from(body, "base64"));
    group.streams.push(stream);
  });
}

async function sessionOf(group, port, perSession) {
  const last = group.sessions.at(-1);
  if (last !== undefined && last.streams < perSession) {
    last.streams++;
    return last.session;
  }
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  group.sessions.push({ session, streams: 1 });
  return session;
}

/** Counts the events of a stream; `first` is told what came until it is content. */
function follow(group, stream, first) {
  let rest = "";
  let begun = false;
  stream.on("data", (chunk) => {
    const text = rest + chunk.latin1Slice();
    if (!begun) {
      begun = first(text) !== false;
      if (!begun) {
        rest = text;
        return;
      }
    }
    let from = 0;
    for (let at = text.indexOf(MARK); at !== -1; at = text.indexOf(MARK, from)) {
      const end = text.indexOf("~", at + MARK.length);
      if (end === -1) break;
      group.heard(Number(text.slice(at + MARK.length, end)));
      from = end;
    }
    rest = text.slice(Math.max(from, text.length - LONGEST));
  });
}

/** Has an event told, again and again, each when the one before has reached all; answers the processor time of a delivery. */
async function tell({ name, say, times, pid }) {
  const group = groups.get(name);
  const before = cpuSeconds(pid);
  const began = performance.now();
  for (let n = 0; n < times; n++) {
    const all = group.more(group.streams.length);
    await post(say);
    await all;
  }
  const deliveries = times * group.streams.length;
  const cpuUs = ((cpuSeconds(pid) - before) / deliveries) * 1e6;
  return { cpuUs, msPerEvent: (performance.now() - began) / times };
}

/** Has events told at a steady pace and answers how long they were on their way to the streams of a group. */
async function pace({ name, say, times, everyMs }) {
  const group = groups.get(name);
  group.latencies = [];
  group.isRecording = true;
  const all = group.more(times * group.streams.length);
  for (let n = 0; n < times; n++) {
    const next = performance.now() + everyMs;
    await post(say);
    await sleep(Math.max(0, next - performance.now()));
  }
  await all;
  group.isRecording = false;
  const sorted = Float64Array.from(group.latencies).sort();
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) };
}

function pause({ name }) {
  for (const stream of groups.get(name).streams) stream.pause();
}

function close({ name }) {
  const { streams, sessions } = groups.get(name);
  for (const stream of streams) stream.destroy();
  for (const { session } of sessions) session.destroy();
  groups.delete(name);
}

/** Asks for one event; `~event~` in the body gets the time. */
function post({ port, path, headers, body }) {
  const sentAt = (performance.timeOrigin + performance.now()).toFixed(3);
  const text = body.replace(MARK, `${MARK}${sentAt}~`);
  return new Promise((resolve, reject) => {
    const request = http.request({ port, host: "127.0.0.1", path, method: "POST", agent, headers }, (response) => {
      response.resume().on("end", () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`${path} answered ${response.statusCode}`));
      });
    });
    request.on("error", reject).end(text);
  });
}

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${PATIENCE_MS} ms: ${what}`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** What a process has used of the processors, all its threads together. */
function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
