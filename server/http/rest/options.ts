import type { Method } from "./house.js";

export interface RestOptions {
  /** Whether fields and parameters that a message does not have are passed over instead of refused. */
  readonly ignoreUnknownFields: boolean;
  /** The most bytes of a streamed upload; 10 MiB when absent. Other bodies are bounded by the pipeline. */
  readonly uploadBytes?: number;
  /** Query parameters that are none of the message's, such as a signature, and are passed over. */
  readonly ignoredParameters?: ReadonlySet<string>;
  /** Which methods take forms in place of JSON, and what reads them; none when absent. */
  readonly forms?: Forms;
  /** Names of the text fields whose value an EventSource resumes after; `cursor` when absent. */
  readonly cursorFields?: readonly string[];
}

/** Reads bodies that browsers send without asking first, which is why every method must be allowed on purpose. */
export interface Forms {
  allow(method: Method): boolean;
  /** Rejects when the body is no form. */
  parse(contentType: string | undefined, body: Buffer): Promise<FormValues>;
}

/** What a form says, text and files. */
export interface FormValues {
  readonly fields: readonly [name: string, value: string][];
  readonly files: readonly { name: string; filename: string; contentType: string; bytes: Buffer }[];
}
