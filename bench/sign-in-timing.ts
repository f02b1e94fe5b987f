import type { Server } from "./processes.js";
import { callerAt } from "./sign-in-calls.js";

/** How long a refusal takes: of a login that nobody has, and of a secret that is wrong, asked in turn. */
export async function refusalTimes(server: Server, tries: number) {
  const { post, close } = callerAt({ port: server.port });
  const known = Array.from({ length: 20 }, (_, n) => `known-${n}`);
  for (const login of known) await post("/v1/accounts", { login, secret: `secret of ${login}`, name: login });
  const time = async (login: string) => {
    const { status, ms } = await post("/v1/auth/sign-in", { login, secret: "a guess" });
    if (status !== 401) throw new Error(`a guess was answered ${status}`);
    return ms;
  };
  for (let n = 0; n < 20; n++) await time(known[n]!);
  const [wrong, unknown]: [number[], number[]] = [[], []];
  for (let n = 0; n < tries; n++) {
    const wrongSecret = async () => wrong.push(await time(known[n % known.length]!));
    // As long as the others, and another each time.
    const unknownLogin = async () => unknown.push(await time(`nobod-${n}`));
    // Neither is always the second.
    for (const one of n % 2 === 0 ? [wrongSecret, unknownLogin] : [unknownLogin, wrongSecret]) await one();
  }
  close();
  const [wrongSecretMs, unknownLoginMs] = [median(wrong), median(unknown)];
  const ratio = Math.round((unknownLoginMs / wrongSecretMs) * 1000) / 1000;
  return { tries, wrongSecretMs, unknownLoginMs, ratio };
}

function median(values: number[]): number {
  return Math.round(values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]! * 1000) / 1000;
}
