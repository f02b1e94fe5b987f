import { asOperator, type OperatorFlags } from "./operator.js";

/** Ends an API key. */
export async function revokeKey(id: string, flags: OperatorFlags): Promise<void> {
  await asOperator(flags, (client) => client.auth.revokeApiKey({ keyId: id }));
  console.log(flags.json ? JSON.stringify({ id, revoked: true }) : `the key ${id} proves nothing any more`);
}
