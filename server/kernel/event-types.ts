/**
 * What stands before the first dot of the types that the server alone writes, each with the RPC that shows the same; those
 * without one are shown by none.
 */
const KINDS: Readonly<Record<string, string | undefined>> = {
  account: "backstay.accounts.v1.AccountService/GetAccount",
  auth: undefined,
  connection: "backstay.connections.v1.ConnectionService/ListReferences",
  counter: "backstay.counters.v1.CounterService/GetCounters",
  history: "backstay.history.v1.HistoryService/ListHistory",
  job: undefined,
  message: "backstay.messages.v1.MessageService/ListMessages",
  presence: "backstay.events.v1.EventService/ListPresence",
  session: undefined,
  system: undefined,
};

const kindOf = (type: string) => type.split(".", 1)[0]!;

/** Whether a type is the server's own: whoever hears of it may rely on what the server did. */
export function isReservedType(type: string): boolean {
  return Object.hasOwn(KINDS, kindOf(type));
}

/** The RPC that shows what an event of a reserved type tells, `backstay.messages.v1.MessageService/ListMessages`; undefined for none. */
export function shownBy(type: string): string | undefined {
  return KINDS[kindOf(type)];
}

/** The RPCs of all types. */
export function showingRpcs(): string[] {
  return Object.values(KINDS).filter((rpc) => rpc !== undefined);
}
