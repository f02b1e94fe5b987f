/** What is sent, and where to. */
export interface PostRequest {
  /** Begins with `https://` or `http://`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Ends it, wherever it is. */
  readonly signal: AbortSignal;
}

/** What became of it: the status of the answer, or why there is none, as the end of a sentence that begins with what was asked. */
export type PostOutcome = { readonly status: number } | { readonly failed: string };

/** Sends a body to a server elsewhere. Never rejects; nothing of the URL or the answer's text stands in what it says. */
export type HttpPost = (request: PostRequest) => Promise<PostOutcome>;
