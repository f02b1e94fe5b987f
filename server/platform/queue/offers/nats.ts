import type { NatsConnection } from "nats";
import type { DueJob } from "../queue.js";
import type { JobStream } from "../stream/nats.js";

/** Messages that may be on their way to a server that has not said it stored them. */
const MOST_UNCONFIRMED = 10_000;
const ANSWER_MS = 5_000;

/** Says over one connection which jobs are due. */
export interface Offers {
  /** Sends a message for each job without waiting; answers whether all were sent. */
  send(due: readonly DueJob[]): boolean;
}

/**
 * Only the last message of those that are sent at once is confirmed, and only one at a time: the stream stores them in order.
 * The driver keeps whatever a stalled server does not take, so what was not confirmed is counted here. The messages carry no id
 * by which NATS would drop a repeat: a job that waited for another of its order key becomes due more than once under one fence.
 */
export function offersOver(connection: NatsConnection, stream: JobStream, failed: (error: unknown) => void): Offers {
  const js = connection.jetstream({ timeout: ANSWER_MS });
  let unconfirmed = 0;
  let asking = false;

  const ask = (subject: string, payload: string) => {
    asking = true;
    const asked = unconfirmed;
    const confirmed = () => {
      asking = false;
      unconfirmed -= asked;
    };
    // A connection that failed confirms nothing any more.
    js.publish(subject, payload).then(confirmed, failed);
  };

  const sendOne = ({ id, queue }: DueJob, isLast: boolean) => {
    unconfirmed++;
    const [subject, payload] = [stream.subjectOf(queue), JSON.stringify({ id })];
    if (isLast && !asking) ask(subject, payload);
    else connection.publish(subject, payload);
  };

  return {
    send(due) {
      for (const [n, job] of due.entries()) {
        if (unconfirmed >= MOST_UNCONFIRMED || connection.isClosed()) return false;
        sendOne(job, n === due.length - 1 || unconfirmed === MOST_UNCONFIRMED - 1);
      }
      return true;
    },
  };
}
