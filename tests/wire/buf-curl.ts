import { execFile } from "node:child_process";

const BUF = new URL("../../node_modules/.bin/buf", import.meta.url).pathname;

/** One run of the real `buf curl`, which knows no schema unless it is given one. */
export function bufCurl(...args: string[]): Promise<{ status: number; out: string; told: string }> {
  return new Promise((resolve) => {
    execFile(BUF, ["curl", ...args], (error, out, told) => {
      resolve({ status: error === null ? 0 : Number(error.code), out, told });
    });
  });
}
