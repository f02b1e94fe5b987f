import type { DescField, DescFile, DescMessage, DescMethod } from "@bufbuild/protobuf";

/** A field that may name an account: an id, a topic, or conditions on either. */
const NAMING = /^((\w+_)?ids?|topics?|filters)$/;

/** Fields of that form that name something else, or whoever calls. */
const OTHERS: ReadonlySet<string> = new Set([
  "AuthService.DeletePasskey id",
  "AuthService.FinishRegistration challenge_id",
  "AuthService.FinishSignIn challenge_id",
  "AuthService.RevokeApiKey key_id",
  "AuthService.RevokeDevice device_id",
  "AuthService.UnlinkIdentity id",
  "HistoryService.ListHistory filters",
  "JobService.CancelJob id",
  "JobService.GetJob id",
  "JobService.ListJobs cron_id",
  "JobService.PauseCron id",
  "JobService.ResumeCron id",
  "JobService.RetryJob id",
  "JobService.RunCron id",
  "JobService.WatchJob id",
]);

/** Every RPC by its name, such as MessageService.SendMessage. */
export function methodsOf(files: readonly DescFile[]): Map<string, DescMethod> {
  const all = files.flatMap(({ services }) => services.flatMap(({ methods }) => methods));
  return new Map(all.map((method) => [`${method.parent.name}.${method.name}`, method]));
}

/** The names of those RPCs whose request can name another account. */
export function namingAccounts(methods: ReadonlyMap<string, DescMethod>): string[] {
  const naming = [...methods].filter(([name, { input }]) =>
    fieldsOf(input, []).some((field) => NAMING.test(field.name) && !OTHERS.has(`${name} ${field.name}`)),
  );
  return naming.map(([name]) => name);
}

/** The fields of a message and of those within it. */
function fieldsOf(message: DescMessage, within: readonly DescMessage[]): DescField[] {
  if (within.includes(message)) return [];
  return message.fields.flatMap((field) => {
    const inner = field.fieldKind === "map" ? undefined : field.message;
    return inner ? [field, ...fieldsOf(inner, [...within, message])] : [field];
  });
}
