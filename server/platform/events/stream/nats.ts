import {
  DiscardPolicy,
  headers,
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "nats";
import { toToken } from "../../subject-token.js";
import type { LoggedEvent } from "../events.js";

export interface EventStreamOptions {
  /** First word of its subjects; in capitals the first of its name. */
  prefix: string;
  /** Whose events they are: another installation's stream is left alone. */
  installation: string;
  /** The log's epoch. */
  epoch: string;
  /** Milliseconds that NATS keeps events. */
  retention: number;
  /** Most bytes that NATS keeps. */
  maxBytes: number;
}

/** How far the stream has come. */
export interface Position {
  /** The last event's offset in the log; 0 when the stream has none of this log. */
  offset: number;
  /** The number the stream gave its last message. */
  seq: number;
  /** Whether the stream has it from this connection, and so knows its id. */
  own: boolean;
}

/** The events in JetStream, in the log's order, whoever appends them. */
export interface EventStream {
  /** Makes the stream or mends its settings, and reads how far it is. Throws StreamTaken. */
  open(): Promise<Position>;
  /**
   * Appends events that follow each other in the log. The first is taken only if it stands next after `position`; without
   * one, only if the event before it by offset is the last. Calls `stored` with the last that was, then throws if one was not.
   */
  append(
    events: readonly LoggedEvent[],
    position: Position | undefined,
    stored: (now: Position) => void,
  ): Promise<void>;
  /** Removes what the stream has of a topic, and of those below it. Where the stream ends stays as it is. */
  forget(topic: string): Promise<void>;
}

/** The stream of that name is another installation's. */
export class StreamTaken extends Error {
  override readonly name = "StreamTaken";
}

/** The header by which an event goes that NATS takes no message of: whoever gets it reads the log. */
export const LEFT_OUT = "Backstay-Left-Out";
/** An event is stored once within this time, however often it is sent, in milliseconds. */
const DUPLICATE_WINDOW = 120_000;
const ANSWER_MS = 5_000;
/** Bytes of a message besides its data: subject, ids, headers. */
const ENVELOPE = 8_192;
const STREAM_NOT_FOUND = 10_059;
const NO_MESSAGE_FOUND = 10_037;
const WRONG_LAST = [10_070, 10_071];

/** What others take for the place of an event in the log. */
function messageId(epoch: string, offset: number): string {
  return `${epoch}.${offset}`;
}

/** The offset that a message id names, if it is of this epoch; else 0. */
export function offsetOf(id: string | undefined, epoch: string): number {
  return id?.startsWith(`${epoch}.`) ? Number(id.slice(epoch.length + 1)) || 0 : 0;
}

export function eventStream(connection: NatsConnection, options: EventStreamOptions): EventStream {
  const { prefix, epoch } = options;
  const wanted = configOf(options);
  const js = connection.jetstream({ timeout: ANSWER_MS });
  const most = connection.info === undefined ? Number.POSITIVE_INFINITY : connection.info.max_payload - ENVELOPE;
  let made: Promise<JetStreamManager> | undefined;
  const manager = () => {
    made ??= connection.jetstreamManager({ checkAPI: false, timeout: ANSWER_MS });
    return made;
  };

  const publish = (event: LoggedEvent, expect: { lastMsgID?: string; lastSequence?: number }) => {
    const subject = `${prefix}.events.${tokens(event.topic, "/")}.${tokens(event.type, ".")}`;
    const msgID = messageId(epoch, event.offset);
    const whole = JSON.stringify(event);
    if (whole.length < most / 3 || Buffer.byteLength(whole) < most)
      return js.publish(subject, whole, { msgID, expect });
    const leftOut = headers();
    leftOut.set(LEFT_OUT, "data");
    return js.publish(subject, JSON.stringify({ ...event, data: null }), { msgID, expect, headers: leftOut });
  };

  return {
    async open() {
      const { streams } = await manager();
      const info = await streams.info(wanted.name).catch((error) => {
        if (codeOf(error) === STREAM_NOT_FOUND) return streams.add(wanted);
        throw error;
      });
      if (info.config.description !== wanted.description) throw new StreamTaken();
      if (differing(info.config, wanted) !== undefined) {
        const { config } = await streams.update(wanted.name, { ...info.config, ...wanted });
        const field = differing(config, wanted);
        if (field !== undefined) throw new Error(`NATS does not change ${field} of the stream ${wanted.name}`);
      }
      const seq = info.state.last_seq;
      if (info.state.messages === 0) return { offset: 0, seq, own: false };
      const last = await streams.getMessage(wanted.name, { last_by_subj: `${prefix}.events.>` }).catch((error) => {
        // Its last message grew too old, or was removed, just now.
        if (codeOf(error) === NO_MESSAGE_FOUND) return undefined;
        throw error;
      });
      return { offset: offsetOf(last?.header.get("Nats-Msg-Id"), epoch), seq, own: false };
    },
    async append(events, position, stored) {
      const acks = events.map((event, n) => {
        const before = events[n - 1];
        if (before !== undefined) return publish(event, { lastMsgID: messageId(epoch, before.offset) });
        if (position === undefined) return publish(event, { lastMsgID: messageId(epoch, event.offset - 1) });
        // A server that was started anew forgets the ids of old messages, so only its number tells the last of these.
        const id = position.own ? { lastMsgID: messageId(epoch, position.offset) } : {};
        return publish(event, { lastSequence: position.seq, ...id });
      });
      const settled = await Promise.allSettled(acks);
      const failed = settled.findIndex(({ status }) => status === "rejected");
      const last = failed === -1 ? settled.length - 1 : failed - 1;
      const ack = settled[last];
      if (ack?.status === "fulfilled") stored({ offset: events[last]!.offset, seq: ack.value.seq, own: true });
      if (failed !== -1) throw (settled[failed] as PromiseRejectedResult).reason;
    },
    async forget(topic) {
      const { streams } = await manager();
      const { config } = await streams.info(wanted.name);
      if (config.description !== wanted.description) throw new StreamTaken();
      await streams.purge(wanted.name, { filter: `${prefix}.events.${tokens(topic, "/")}.>` });
    },
  };
}

/** Whether another node has appended something meanwhile. */
export function isConflict(error: unknown): boolean {
  return WRONG_LAST.includes(codeOf(error) ?? 0);
}

function configOf({ prefix, installation, retention, maxBytes }: EventStreamOptions) {
  return {
    name: `${prefix.toUpperCase()}_EVENTS`,
    description: `Events of the Backstay installation ${installation}`,
    subjects: [`${prefix}.events.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_age: nanos(retention),
    max_bytes: maxBytes,
    duplicate_window: nanos(Math.min(DUPLICATE_WINDOW, retention)),
  } satisfies Partial<StreamConfig>;
}

/** The first of the settings that are ours which the stream has not. How many replicas there are is the operator's. */
function differing(config: StreamConfig, wanted: ReturnType<typeof configOf>): string | undefined {
  const ours = ["subjects", "retention", "storage", "discard", "max_age", "max_bytes", "duplicate_window"] as const;
  return ours.find((field) => String(config[field]) !== String(wanted[field]));
}

function tokens(text: string, separator: string): string {
  return text.split(separator).map(toToken).join(".");
}

/** The number by which JetStream names a refusal. */
function codeOf(error: unknown): number | undefined {
  return error instanceof NatsError ? error.api_error?.err_code : undefined;
}
