import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { curl, curlRefused, operatorToken, type Refused } from "../support.js";

type Method = "GetStats" | "ListKeys" | "Get" | "Put" | "Delete" | "Increment" | "Clear";

/** A server, somebody who is signed in, and calls of its administrator as curl makes them. */
export interface CacheHouse {
  readonly backstay: TestBackstay;
  readonly ada: Person;
  ask<Answer = Record<string, unknown>>(method: Method, body: object): Promise<Answer>;
  refused(method: Method, body: object, token?: string): Promise<Refused>;
}

/** Starts one. */
export async function startHouse(settings: Parameters<typeof startBackstay>[0] = {}): Promise<CacheHouse> {
  const backstay = await startBackstay(settings);
  const ada = await backstay.signUp();
  const token = operatorToken(backstay);
  return {
    backstay,
    ada,
    ask: (method, body) => curl(backstay, `cache.v1.CacheService/${method}`, body, token),
    refused: (method, body, as = token) => curlRefused(backstay, `cache.v1.CacheService/${method}`, body, as),
  };
}

/** A cache that the server keeps for itself, once it knows an account. */
export const INTERNAL = "table.accounts";
