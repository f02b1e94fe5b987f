import { asOperator, type OperatorFlags } from "./operator.js";
import { visible, visibleJson } from "./visible.js";

/** Ends an API key. */
export async function revokeKey(id: string, flags: OperatorFlags): Promise<void> {
  await asOperator(flags, (client) => client.auth.revokeApiKey({ keyId: id }));
  console.log(flags.json ? visibleJson({ id, revoked: true }) : visible(`the key ${id} proves nothing any more`));
}
