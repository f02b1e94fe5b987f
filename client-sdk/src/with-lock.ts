/** Runs `body` while no other tab or worker of the origin holds the lock; at once where there are no locks, or no name. */
export async function withLock<T>(name: string | undefined, body: () => Promise<T>): Promise<T> {
  // Only secure contexts have locks.
  const locks = (globalThis as { navigator?: { locks?: LockManager } }).navigator?.locks;
  if (!name || !locks) return body();
  let entered = false;
  try {
    return await locks.request(name, () => {
      entered = true;
      return body();
    });
  } catch (error) {
    // Sandboxed frames have locks that always refuse.
    if (entered) throw error;
    return body();
  }
}
