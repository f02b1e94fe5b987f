import { onTestFinished, vi } from "vitest";

/** Stands for the window and document of a page, until the test has finished. */
export function startPage() {
  const target = new EventTarget();
  let listeners = 0;
  let visibilityState = "visible";
  const scope = {
    addEventListener(type: string, listener: EventListener) {
      listeners++;
      target.addEventListener(type, listener);
    },
    removeEventListener(type: string, listener: EventListener) {
      listeners--;
      target.removeEventListener(type, listener);
    },
  };
  vi.stubGlobal("addEventListener", scope.addEventListener);
  vi.stubGlobal("removeEventListener", scope.removeEventListener);
  vi.stubGlobal("document", {
    ...scope,
    get visibilityState() {
      return visibilityState;
    },
  });
  onTestFinished(() => void vi.unstubAllGlobals());
  const tell = (type: string) => void target.dispatchEvent(new Event(type));
  return {
    tell,
    hide() {
      visibilityState = "hidden";
      tell("visibilitychange");
    },
    /** How many listeners there are now. */
    listeners: () => listeners,
  };
}
