import { randomUUID } from "node:crypto";
import { declareCron } from "../domains/jobs/crons.js";
import { someJobs } from "../domains/jobs/house.js";
import { curl, openDatabase, operatorToken } from "../domains/support.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";

/** Who calls: nobody, an account that the call is not about, the one it is about, an administrator, the command line, a key. */
export const ROLES = ["anonymous", "other", "owner", "admin", "operator", "narrow key"] as const;

export type Role = (typeof ROLES)[number];

/** The people of one call, and a key of the owner's for something else than what is called. */
export interface People {
  owner: Person;
  other: Person;
  admin: Person;
  narrowKey: string;
}

/** A server with something of each domain, that does no jobs. */
export async function startHouse(): Promise<TestBackstay> {
  const settings = {
    roles: "api,relay",
    "auth.anonymous": "on",
    "events.poll_timeout": "100ms",
    "events.poll_interval": "20ms",
  };
  const backstay = await startBackstay(settings, { overrides: { jobs: someJobs() } });
  await declareCron({ backstay }, { id: "app.nightly" });
  return backstay;
}

/** New people, who have nothing yet. */
export async function newPeople(backstay: TestBackstay): Promise<People> {
  const [owner, other, admin] = [await backstay.signUp(), await backstay.signUp(), await backstay.signUp()];
  await curl(backstay, "auth.v1.AuthService/GrantRole", { id: admin.id, role: "admin" }, operatorToken(backstay));
  const scopes = ["SystemService/GetInfo"];
  const made = await curl<{ key: string }>(backstay, "auth.v1.AuthService/CreateApiKey", { scopes }, owner.token);
  return { owner, other, admin, narrowKey: made.key };
}

/** What proves a role's caller. */
export function tokenOf(backstay: TestBackstay, people: People, role: Role): string | undefined {
  switch (role) {
    case "anonymous":
      return undefined;
    case "operator":
      return operatorToken(backstay);
    case "narrow key":
      return people.narrowKey;
    default:
      return people[role].token;
  }
}

/** A way in to the account beside its login, as a provider or a passkey makes one; answers its id. */
export async function addIdentity(backstay: TestBackstay, { id }: Person, kind: "oidc" | "passkey"): Promise<string> {
  const identity = randomUUID().replaceAll("-", "");
  const detail = kind === "oidc" ? { provider: "acme", issuer: "https://acme.example", sub: identity } : {};
  const sql = openDatabase(backstay);
  await sql`insert into backstay.identities (id, account_id, kind, subject, label, created_at, detail)
    values (${identity}, ${id}, ${kind}, ${identity}, 'a way in', now(), ${sql.json(detail)})`;
  return identity;
}
