const TICK_MS = 2_000;
const LATE_MS = 5_000;

/**
 * Calls back when trying again is worth it at once, until the returned function is called: the network is back or another
 * one (`true`: what was connected is hardly so still), or the machine, page or tab has been asleep (`false`: it may be).
 */
export function watchWake(onWake: (networkChanged: boolean) => void): () => void {
  const onOnline = () => onWake(true);
  const onShown = () => {
    if (globalThis.document?.visibilityState !== "hidden") onWake(false);
  };
  // Workers have no document, Node and phones have no events at all: there the late tick tells.
  globalThis.addEventListener?.("online", onOnline);
  globalThis.addEventListener?.("pageshow", onShown);
  globalThis.document?.addEventListener?.("visibilitychange", onShown);

  let expected = Date.now() + TICK_MS;
  const tick = () => {
    const late = Date.now() - expected > LATE_MS;
    expected = Date.now() + TICK_MS;
    if (late) onWake(false);
  };
  const timer = setInterval(tick, TICK_MS);
  // A program of Node that has nothing else to do may end.
  (timer as unknown as { unref?(): void }).unref?.();

  return () => {
    clearInterval(timer);
    globalThis.removeEventListener?.("online", onOnline);
    globalThis.removeEventListener?.("pageshow", onShown);
    globalThis.document?.removeEventListener?.("visibilitychange", onShown);
  };
}
