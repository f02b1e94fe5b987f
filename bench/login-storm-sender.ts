/** The other process of `npm run bench -- sign-in`: tries wrong secrets at an even pace, and tells how they were answered. */
import { callerAt, reasonOf } from "./sign-in-calls.js";

/** What it is told to do: so many sign-ins a second, for so long, half of them with logins that are there. */
export interface Orders {
  port: number;
  rate: number;
  seconds: number;
  known: string[];
}

async function blow({ port, rate, seconds, known }: Orders) {
  const { post, close } = callerAt({ port, maxSockets: 500 });
  const answers: Record<string, number> = {};
  const guess = async (login: string) => {
    const answer = await post("/v1/auth/sign-in", { login, secret: "a guess" }).catch(() => undefined);
    const name = answer === undefined ? "no answer" : (reasonOf(answer) ?? "ok");
    answers[name] = (answers[name] ?? 0) + 1;
  };
  const sent: Promise<void>[] = [];
  const began = performance.now();
  for (let n = 0; n < rate * seconds; n++) {
    const wait = began + (n * 1000) / rate - performance.now();
    if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
    sent.push(guess(n % 2 === 0 ? known[(n / 2) % known.length]! : `nobody-${n}`));
  }
  const sentPerSecond = Math.round((sent.length * 1000) / (performance.now() - began));
  await Promise.all(sent);
  close();
  return { sent: sent.length, sentPerSecond, answers };
}

process.on("message", async (orders) => process.send!(await blow(orders as Orders)));
process.on("disconnect", () => process.exit(0));
