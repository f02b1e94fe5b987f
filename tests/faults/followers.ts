import { type BackstayClient, createClient } from "@backstay/client";
import type { History } from "./history.js";

/** One client of the app, which resumes whatever happens, and what it was handed. */
export interface FaultFollower {
  readonly name: string;
  /** The numbers of the events in the order they came. */
  readonly heard: number[];
  /** What it should never be told: gaps, and errors that ended it. */
  readonly complaints: string[];
  /** How often its connection broke. */
  readonly breaks: () => number;
  stop(): Promise<void>;
}

/** Follows an account's events of a type with the client package, as an app does. Resolves when the stream stands. */
export async function followAs(
  name: string,
  url: string,
  token: string,
  { type, history }: { type: string; history: History },
): Promise<FaultFollower> {
  const client: BackstayClient = createClient(url, { token, reconnect: { minDelayMs: 50, maxDelayMs: 1_000 } });
  const heard: number[] = [];
  const complaints: string[] = [];
  const complain = (text: string) => {
    complaints.push(text);
    history.note("complaint", { client: name, text });
  };
  let breaks = 0;
  const events = client.events.subscribe(
    { types: [type] },
    {
      onStatus: ({ status }) => {
        if (status === "reconnecting") breaks++;
      },
      onGap: (gap) => complain(`a gap: ${JSON.stringify(gap)}`),
    },
  );
  await events.ready();
  const reading = (async () => {
    for await (const event of events) heard.push(Number(event.data?.n));
  })().catch((error) => complain(String(error)));
  return {
    name,
    heard,
    complaints,
    breaks: () => breaks,
    async stop() {
      await events.return();
      await reading;
    },
  };
}
