import { expect, it } from "vitest";
import type { TestRpc } from "./library-proto.js";
import {
  type LibraryOptions,
  type RestReply,
  type RestRequest,
  type ServedRpc,
  serveLibrary,
} from "./library-server.js";

/** What is expected of an answer: `json` as a whole, of the rest only what is named; a header that is undefined is absent. */
export interface Expected extends Partial<Omit<RestReply, "headers">> {
  headers?: Record<string, unknown>;
  /** The RPC that was asked, by its name; undefined when the verb must not have been called. */
  verb?: string | undefined;
}

/** A line such as `GET /v1/books`, what it is answered, and what was sent besides. */
export type Exchange = [ask: string, answer: Expected, sent?: RestRequest];

/** One of the 52 numbered cases that a transcoder of google.api.http is judged by. */
export interface Case {
  readonly shows: string;
  readonly rpcs?: Record<string, ServedRpc>;
  readonly options?: LibraryOptions;
  readonly exchanges?: readonly Exchange[];
  /** What no table can say. */
  also?(): Promise<void> | void;
}

/** Makes each case a test of its number. */
export function conformance(cases: Readonly<Record<number, Case>>): void {
  for (const [number, one] of Object.entries(cases)) {
    it(`${number}: ${one.shows}`, async () => {
      if (one.rpcs !== undefined && one.exchanges !== undefined) await exchange(one.rpcs, one.options, one.exchanges);
      await one.also?.();
    });
  }
}

/** Asks a service of its own in order, and expects each answer. */
export async function exchange(
  rpcs: Record<string, ServedRpc>,
  options: LibraryOptions | undefined,
  exchanges: readonly Exchange[],
): Promise<void> {
  const asked: string[] = [];
  const noted = Object.entries(rpcs).map(([name, rpc]): [string, ServedRpc] => {
    const { handler = (request: unknown) => request } = rpc;
    const noting: ServedRpc["handler"] = (request, ctx) => {
      asked.push(name);
      return handler(request, ctx);
    };
    return [name, { ...rpc, handler: noting }];
  });
  const { call } = await serveLibrary(Object.fromEntries(noted), options);
  for (const [ask, { json, headers = {}, ...expected }, sent] of exchanges) {
    const reply = { ...(await call(ask, sent)), verb: asked.pop() };
    expect(reply, ask).toMatchObject(expected);
    for (const [name, value] of Object.entries(headers)) expect(reply.headers[name], `${name} of ${ask}`).toBe(value);
    if (json !== undefined) expect(reply.json, ask).toEqual(json);
    if (reply.status >= 400 && !("verb" in expected))
      expect(reply.verb, `${ask} must not reach its verb`).toBeUndefined();
  }
}

type More = Partial<Omit<ServedRpc, "rule">> & { body?: string; responseBody?: string; also?: string[] };

/** An RPC bound as a line says: `get /v1/books/{name}`; any other word than the five is a custom kind. */
export function rpc(line: string, input: string, { body, responseBody, also = [], ...more }: More = {}): ServedRpc {
  const rule = { ...patternOf(line), ...(body && { body }), ...(responseBody && { responseBody }) };
  return { ...more, input, rule: { ...rule, additionalBindings: also.map(patternOf) } };
}

function patternOf(line: string): Pick<TestRpc["rule"], "pattern"> {
  const [kind = "", path = ""] = line.split(" ");
  const plain = (["get", "put", "post", "delete", "patch"] as const).find((one) => one === kind);
  return { pattern: plain ? { case: plain, value: path } : { case: "custom", value: { kind, path } } };
}
