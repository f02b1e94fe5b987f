import { expect } from "vitest";
import type { TestBackstay } from "../support/backstay.js";
import { curl, openDatabase, operatorToken } from "./support.js";

/** Submits a job of the server's own and waits until it is done; answers its id. Fails when it did not succeed. */
export async function runJob(backstay: TestBackstay, name: string, args: object = {}): Promise<string> {
  const token = operatorToken(backstay);
  const { job } = await curl<{ job: { id: string } }>(backstay, "jobs.v1.JobService/SubmitJob", { name, args }, token);
  const sql = openDatabase(backstay);
  const outcome = async () => {
    const [row] = await sql`select state, last_error from backstay.jobs where id = ${job.id}::uuid`;
    return [row?.state, row?.last_error];
  };
  await expect.poll(outcome, { timeout: 10_000 }).toEqual([4, null]);
  return job.id;
}
