import type { CustomFetch } from "openid-client";

/** Descriptions, keys and tokens are some kilobytes; whoever says more is not listened to. */
const MOST_BYTES = 1 << 20;

/** A provider that cannot be asked: away, silent for too long, or talking without end. */
export class Unreachable extends Error {}

/** A client for one exchange with a provider, which ends when `signal` fires, wherever it is. Rejects with Unreachable. */
export function boundedFetch(signal: AbortSignal): CustomFetch {
  return async (url, { body, ...options }) => {
    try {
      const request = { ...options, signal, ...(body !== undefined && { body: body as BodyInit | null }) };
      const answer = await fetch(url, request);
      if (answer.status >= 500) throw new Error("the provider failed");
      const { status, headers } = answer;
      // Its length and encoding were those of what has been read.
      const kept = new Headers(headers);
      for (const name of ["content-length", "content-encoding", "transfer-encoding"]) kept.delete(name);
      const bytes = await readBounded(answer);
      return new Response(status === 204 || status === 304 ? null : bytes, { status, headers: kept });
    } catch (error) {
      throw new Unreachable("the provider cannot be reached", { cause: error });
    }
  };
}

async function readBounded({ body }: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let read = 0;
  for await (const chunk of body ?? []) {
    chunks.push(chunk);
    read += chunk.length;
    if (read > MOST_BYTES) throw new Error("the provider says more than is read");
  }
  return new Uint8Array(Buffer.concat(chunks));
}
