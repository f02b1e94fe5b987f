/**
 * What the audit log keeps of an RPC that a caller could only make about somebody else's account as an administrator. `rpc` is
 * its name, `backstay.events.v1.EventService/Publish`.
 */
export function adminCalled(rpc: string, accountId: string) {
  return { type: "admin.called", accountId, detail: { method: rpc, id: accountId } } as const;
}
