import { lookup } from "node:dns/promises";
import { type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import type { HttpPost, PostRequest } from "./http-post.js";

const MOST_REDIRECTS = 3;
/** So many bytes of an answer are read, and thrown away: a server that says more is not listened to. */
const MOST_ANSWER = 64 * 1024;

export interface GuardParts {
  /** Whether a connection to such an address may be made. */
  isAllowed(address: string): boolean;
  /** All addresses of a name; rejects when there are none. The system's own answer when left out. */
  resolve?: (name: string) => Promise<readonly string[]>;
}

/**
 * A client for URLs that somebody else has chosen. A name is resolved once for each connection, and the connection goes to an
 * address that was checked then, so that a name cannot mean something else a moment later. Redirects are followed where they
 * keep the method and the body, and checked the same way. It knows no proxies, and every certificate is verified.
 */
export function guardedPost({ isAllowed, resolve = resolveBySystem }: GuardParts): HttpPost {
  const addressesOf = async ({ hostname }: URL, signal: AbortSignal): Promise<readonly string[]> => {
    const host = hostname.replace(/^\[|\]$/g, "");
    const addresses = isIP(host) === 0 ? await orAborted(resolve(host), signal) : [host];
    // One of several would do for a connection: a name that leads to both kinds is not to be trusted.
    if (!addresses.every(isAllowed)) throw new Refusal("leads to a private address");
    return addresses;
  };

  return async (request) => {
    const { signal } = request;
    try {
      let url = new URL(request.url);
      for (let followed = 0; ; followed++) {
        const answer = await send(url, await addressesOf(url, signal), request);
        const target = redirection(url, answer);
        if (target === undefined) return { status: answer.status };
        if (followed === MOST_REDIRECTS) throw new Refusal(`redirects more than ${MOST_REDIRECTS} times`);
        url = target;
      }
    } catch (error) {
      return { failed: describe(error, signal) };
    }
  };
}

/** Why nothing is sent, or no more. */
class Refusal extends Error {}

interface Answer {
  readonly status: number;
  readonly location: string | undefined;
}

function send(url: URL, addresses: readonly string[], { headers, body, signal }: PostRequest): Promise<Answer> {
  const found = addresses.map((address) => ({ address, family: isIP(address) }));
  const lookup: LookupFunction = (_, { all }, answer) =>
    all ? answer(null, found) : answer(null, found[0]!.address, found[0]!.family);
  const options = { method: "POST", headers, signal, lookup, agent: false } as const;
  return new Promise((resolve, reject) => {
    let answer: Answer | undefined;
    let failure: unknown = new Refusal("closed the connection without an answer");
    const request =
      url.protocol === "https:"
        ? requestSecure(url, { ...options, rejectUnauthorized: true })
        : requestPlain(url, options);
    request.on("error", (error) => {
      failure = error;
    });
    request.once("response", (response) => {
      const { statusCode: status = 0, headers } = response;
      answer = { status, location: headers.location };
      readAway(response);
    });
    // The status stands, whatever became of what follows it.
    request.once("close", () => (answer === undefined ? reject(failure) : resolve(answer)));
    request.end(body);
  });
}

function readAway(response: IncomingMessage): void {
  let read = 0;
  response.on("error", () => {});
  response.on("data", (chunk: Buffer) => {
    read += chunk.length;
    if (read > MOST_ANSWER) response.destroy();
  });
}

/** Where an answer wants the same to be sent; undefined when it wants nothing of that kind. */
function redirection(from: URL, { status, location }: Answer): URL | undefined {
  if ((status !== 307 && status !== 308) || location === undefined) return undefined;
  const target = URL.canParse(location, from) ? new URL(location, from) : undefined;
  if (target === undefined || !/^https?:$/.test(target.protocol))
    throw new Refusal("redirects to what is no URL of HTTP");
  if (target.username !== "" || target.password !== "") throw new Refusal("redirects to a URL with a user or password");
  if (from.protocol === "https:" && target.protocol === "http:") throw new Refusal("redirects from https to http");
  return target;
}

async function resolveBySystem(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

/** A look-up cannot be called off; nobody waits for it any more. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** Errors of the network name hosts and addresses: only their code is told. */
function describe(error: unknown, signal: AbortSignal): string {
  if (error instanceof Refusal) return error.message;
  if (signal.aborted) return signal.reason?.name === "TimeoutError" ? "did not answer in time" : "was not waited for";
  return `cannot be reached (${(error as { code?: string }).code ?? "no reason given"})`;
}
