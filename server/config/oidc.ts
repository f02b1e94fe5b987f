import { z } from "zod";
import type { IdentityProvider } from "../kernel/identity-provider.js";

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/;

/** What is plain can be read, and changed, by whoever carries it: only this machine may. */
function isIssuer(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, search, hash } = new URL(text);
  if (username + password + search + hash !== "" || /\s/.test(text)) return false;
  return protocol === "https:" || (protocol === "http:" && LOOPBACK.test(hostname));
}

const filled = (most: number) => z.string().min(1).max(most);

const provider = z.strictObject({
  name: z.string().regex(/^[a-z0-9-]{1,32}$/, "has up to 32 lower-case letters, digits and -"),
  issuer: z.string().max(512).refine(isIssuer, {
    error: "begins with https://, or on this machine http://, and has no user, query or fragment",
  }),
  clientId: filled(512),
  clientSecret: filled(4096).optional(),
  clientSecretEnv: filled(256).optional(),
  scopes: z
    .string()
    .max(1024)
    .refine((text) => text.split(" ").includes("openid"), { error: "has openid among its words" })
    .default("openid email profile"),
  trustEmail: z.boolean().default(false),
});

/**
 * The list `oidc` of backstay.config.json; `env` is where a `clientSecretEnv` is looked up. Throws what `wrong` makes of a
 * message, in which no secret stands.
 */
export function readProviders(
  list: readonly unknown[],
  env: Readonly<Record<string, string | undefined>>,
  wrong: (message: string) => Error,
): readonly IdentityProvider[] {
  const names = new Set<string>();
  return list.map((entry, n) => {
    const refuse = (message: string) => wrong(`oidc[${n}]: ${message}`);
    const parsed = provider.safeParse(entry);
    if (!parsed.success) throw refuse(describe(parsed.error.issues[0]!));
    const { clientSecret, clientSecretEnv, ...said } = parsed.data;
    if (names.has(said.name)) throw refuse(`there is another ${said.name}`);
    names.add(said.name);
    if (clientSecretEnv === undefined) return { ...said, clientSecret };
    if (clientSecret !== undefined) throw refuse("clientSecret and clientSecretEnv are not given together");
    const found = env[clientSecretEnv];
    if (!found) throw refuse(`the environment has no ${clientSecretEnv}`);
    return { ...said, clientSecret: found };
  });
}

/** What is wrong, without the value that is. */
function describe({ path, message }: { path: readonly PropertyKey[]; message: string }): string {
  return path.length === 0 ? message : `${path.join(".")}: ${message}`;
}
