import type { Target } from "./load.js";
import type { Server } from "./processes.js";
import type { Subjects } from "./subjects.js";

/** One comparison: the same requests to Backstay and to its reference. */
export interface Case {
  readonly name: string;
  readonly reference: string;
  readonly subject: Target;
  readonly against: Target;
  /** What is promised: the most processor time and the least rate, as shares of the reference's. */
  readonly goal?: { readonly cpu: number; readonly rate?: number };
}

const CALLERS = 32;
const SENDS_IN_FLIGHT = 16;
const TEXT = "I'll be at the station at ten past five, by the big clock.";

export function allCases(subjects: Subjects): Case[] {
  const { backstay, echo, bareSend, grpcJs, database, recipients, senders } = subjects;
  const { token } = senders[0]!;
  const system = "/backstay.system.v1.SystemService";
  const read = (name: string, requests: string[], goal?: Case["goal"]): Case => ({
    name,
    reference: "node:http echo",
    subject: http1(backstay, CALLERS, requests),
    against: http1(echo, CALLERS, requests),
    ...(goal && { goal }),
  });
  /** The same call by both of our doors, to the same server. */
  const rest = (name: string, byRest: string[], byConnect: string[]): Case => ({
    name: `${name}, REST by Connect`,
    reference: "the same by Connect JSON",
    subject: http1(backstay, CALLERS, byRest),
    against: http1(backstay, CALLERS, byConnect),
    goal: { cpu: 1.3 },
  });
  const sends = recipients.map((recipientId, n) => ({ recipientId, sender: senders[n % senders.length]! }));
  const send = (body: object, sender: { token: string }) =>
    post("/backstay.messages.v1.MessageService/SendMessage", sender.token, body);

  return [
    read("Ping", [post(`${system}/Ping`, token, {})], { cpu: 1.6 }),
    read("Ping, REST", [get("/v1/ping", token)]),
    rest("Ping", [get("/v1/ping", token)], [post(`${system}/Ping`, token, {})]),
    rest(
      "SendMessage",
      sends.map(({ recipientId, sender }) => post("/v1/messages", sender.token, { recipientId, text: TEXT })),
      sends.map(({ recipientId, sender }) => send({ recipientId, text: TEXT }, sender)),
    ),
    read("GetCurrent", [post("/backstay.auth.v1.AuthService/GetCurrent", token, {})], { cpu: 2 }),
    read(
      "GetAccount",
      recipients.map((id) => post("/backstay.accounts.v1.AccountService/GetAccount", token, { id })),
    ),
    {
      name: "Ping, gRPC",
      reference: "@grpc/grpc-js",
      ...both(backstay, grpcJs, (server) => ({
        protocol: "grpc",
        inFlight: CALLERS,
        requests: [{ path: `${system}/Ping`, headers: { authorization: `Bearer ${token}` } }],
        ...server,
      })),
    },
    {
      name: "SendMessage",
      reference: "node:http with one statement",
      subject: {
        ...http1(
          backstay,
          SENDS_IN_FLIGHT,
          sends.map(({ recipientId, sender }) => send({ recipientId, text: TEXT }, sender)),
        ),
        databasePid: database.pid,
      },
      against: {
        ...http1(
          bareSend,
          SENDS_IN_FLIGHT,
          sends.map(({ recipientId, sender }) => send({ senderId: sender.id, recipientId, text: TEXT }, sender)),
        ),
        databasePid: database.pid,
      },
      goal: { cpu: 1.5, rate: 0.65 },
    },
  ];
}

function both(subject: Server, against: Server, target: (server: { port: number; pid: number }) => Target) {
  const at = ({ port, pid }: Server) => target({ port, pid });
  return { subject: at(subject), against: at(against) };
}

function http1({ port, pid }: Server, inFlight: number, requests: string[]): Target {
  return { protocol: "http1", port, pid, inFlight, requests };
}

/** A whole request of HTTP/1.1 with a JSON body. */
export function post(path: string, token: string, body: object): string {
  const text = JSON.stringify(body);
  return `${head("POST", path, token)}content-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
}

function get(path: string, token: string): string {
  return `${head("GET", path, token)}\r\n`;
}

function head(method: string, path: string, token: string): string {
  return `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\naccept: */*\r\nauthorization: Bearer ${token}\r\n`;
}
