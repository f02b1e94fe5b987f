import {
  AckPolicy,
  type ConsumerConfig,
  DiscardPolicy,
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "nats";
import { toToken } from "../../subject-token.js";

export interface JobStreamOptions {
  /** First word of its subjects; in capitals the first of its name. */
  prefix: string;
  /** Whose jobs they are of: another installation's stream is left alone. */
  installation: string;
}

/** The stream that hands out one message for each job that became due, to one node each. */
export interface JobStream {
  /** Makes the stream or mends its settings. Throws StreamTaken. */
  open(): Promise<void>;
  /** Makes what the nodes pull a queue's messages from, or mends its settings. */
  addConsumer(queue: string): Promise<void>;
  /** The subject of a queue's messages. It ends in the queue's token. */
  subjectOf(queue: string): string;
  /** The subject that asks for messages of a queue. */
  pullSubjectOf(queue: string): string;
}

/** The stream of that name is another installation's. */
export class StreamTaken extends Error {
  override readonly name = "StreamTaken";
}

/** Milliseconds that a message waits for a node: a job that waits longer than that is found by looking. */
const MAX_AGE = 3_600_000;
/** Messages that wait, of all queues and of one; the oldest go first. */
const MOST = 100_000;
const MOST_OF_QUEUE = 20_000;
/** Milliseconds after which a message is given to another node when the one that got it says nothing. */
const ACK_WAIT = 10_000;
const ANSWER_MS = 5_000;
const STREAM_NOT_FOUND = 10_059;

export function jobStream(connection: NatsConnection, options: JobStreamOptions): JobStream {
  const { prefix } = options;
  const wanted = configOf(options);
  let made: Promise<JetStreamManager> | undefined;
  const manager = () => {
    made ??= connection.jetstreamManager({ checkAPI: false, timeout: ANSWER_MS });
    return made;
  };
  const subjectOf = (queue: string) => `${prefix}.jobs.${toToken(queue)}`;

  return {
    async open() {
      const { streams } = await manager();
      const info = await streams.info(wanted.name).catch((error) => {
        if (codeOf(error) === STREAM_NOT_FOUND) return streams.add(wanted);
        throw error;
      });
      if (info.config.description !== wanted.description) throw new StreamTaken();
      if (differing(info.config, wanted) === undefined) return;
      const { config } = await streams.update(wanted.name, { ...info.config, ...wanted });
      const field = differing(config, wanted);
      if (field !== undefined) throw new Error(`NATS does not change ${field} of the stream ${wanted.name}`);
    },
    async addConsumer(queue) {
      const { consumers } = await manager();
      const config = {
        durable_name: toToken(queue),
        filter_subject: subjectOf(queue),
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(ACK_WAIT),
        // However many nodes hold messages at once.
        max_ack_pending: -1,
      } satisfies Partial<ConsumerConfig>;
      await consumers.add(wanted.name, config);
    },
    subjectOf,
    pullSubjectOf: (queue) => `$JS.API.CONSUMER.MSG.NEXT.${wanted.name}.${toToken(queue)}`,
  };
}

function configOf({ prefix, installation }: JobStreamOptions) {
  return {
    name: `${prefix.toUpperCase()}_JOBS`,
    description: `Jobs of the Backstay installation ${installation}`,
    subjects: [`${prefix}.jobs.*`],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_age: nanos(MAX_AGE),
    max_msgs: MOST,
    max_msgs_per_subject: MOST_OF_QUEUE,
  } satisfies Partial<StreamConfig>;
}

/** The first of the settings that are ours which the stream has not. How many replicas there are is the operator's. */
function differing(config: StreamConfig, wanted: ReturnType<typeof configOf>): string | undefined {
  const ours = ["subjects", "retention", "storage", "discard", "max_age", "max_msgs", "max_msgs_per_subject"] as const;
  return ours.find((field) => String(config[field]) !== String(wanted[field]));
}

/** The number by which JetStream names a refusal. */
function codeOf(error: unknown): number | undefined {
  return error instanceof NatsError ? error.api_error?.err_code : undefined;
}
