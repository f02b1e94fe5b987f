import { RENEW_BEFORE_MS, type Session } from "./session.js";

// Timers with a longer delay fire at once.
const LONGEST_TIMER_MS = 0x7fffffff;
const AGAIN_MS = 5_000;

/** Tells a connection that outlives its token every newer one, renewed in time, until the returned function is called. */
export function keepSignedIn(session: Session, first: string | undefined, tell: (token: string) => void): () => void {
  let told = first;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let over = false;

  async function catchUp() {
    // A server that cannot be reached now is asked again.
    const token = await session.bearer().catch(() => told);
    if (over) return;
    if (token !== undefined && token !== told) tell(token);
    told = token ?? told;
    schedule();
  }
  function schedule() {
    clearTimeout(timer);
    if (!session.tokens) return;
    const left = session.tokens.accessExpiresAt - RENEW_BEFORE_MS - Date.now();
    timer = setTimeout(catchUp, left > 0 ? Math.min(left, LONGEST_TIMER_MS) : AGAIN_MS);
  }

  const unsubscribe = session.onChange(({ event }) => {
    // Who signs in after somebody else gets a connection of his own.
    if (event === "refreshed" || told === undefined) catchUp();
  });
  schedule();
  return () => {
    over = true;
    clearTimeout(timer);
    unsubscribe();
  };
}
