import { closeSync, fsyncSync, openSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type InstanceKey, instanceKey } from "../kernel/instance-key.js";
import { turningKey } from "../kernel/turning-key.js";
import { alone, drawSecret, type Home, keep } from "./home.js";

/**
 * The key that stands in a home's files, taken anew when they change. A secret that was there once is accepted until this process
 * ends: whoever removes a file too early is to notice it at the next start, not by what nobody can open any more. Throws when the
 * files cannot be read, or there is no key yet; later that goes to `onError`, once until they can be, and the key stays as it was.
 */
export function homeKey(home: Home, onError: (error: unknown) => void): InstanceKey {
  const known: Buffer[] = [];
  const read = (): InstanceKey => {
    // In this order: a rotation writes the old one down before the new one takes its place.
    const current = home.keptSecret();
    const previous = home.previousSecrets();
    const ring = instanceKey(current, [...previous, ...known]);
    known.push(...[current, ...previous].filter((secret) => !known.some((other) => other.equals(secret))));
    return ring;
  };
  let ring = read();
  let seen = "";
  let told = "";
  return turningKey(() => {
    try {
      const found = versionOf(home);
      if (found !== seen) ring = read();
      seen = found;
      told = "";
    } catch (error) {
      // Looked at again the next time: what cannot be read now may be readable soon without being another file.
      const why = String(error);
      if (why !== told) onError(error);
      told = why;
    }
    return ring;
  });
}

/** Another one for each state of the two files: each is replaced as a whole. */
function versionOf({ path }: Home): string {
  return [secretFile(path), previousFile(path)]
    .map((file) => statSync(file, { throwIfNoEntry: false }))
    .map((stat) => (stat === undefined ? "" : `${stat.ino} ${stat.mtimeMs} ${stat.size}`))
    .join("/");
}

/** What keeps an instance key from being changed; the message says why. */
export class NotRotated extends Error {
  override readonly name = "NotRotated";
}

/**
 * Gives a home a new instance key; the one before is accepted besides from then on. Whatever happens in the middle, the files make
 * a ring that opens all that was sealed, and what was broken off can be done again. Throws NotRotated while a key from an
 * earlier time is still there.
 */
export function rotateSecret(home: Home): void {
  alone(join(home.path, "tmp", "rotate.json"), () => {
    for (const _ of rotation(home));
  });
}

/** The steps of that, each done when it is told: between any two the process may end. */
export function* rotation(home: Home): Generator<string, void> {
  const current = home.keptSecret();
  if (home.previousSecrets().some((secret) => !secret.equals(current))) {
    throw new NotRotated(`${previousFile(home.path)} holds the key before this one`);
  }
  yield* replacing(previousFile(home.path), current.toString("hex"));
  yield* replacing(secretFile(home.path), drawSecret());
}

/** A file becomes another as a whole, and has become it once this is through, also when the machine stops. */
function* replacing(file: string, text: string): Generator<string, void> {
  const draft = `${file}.draft`;
  writeFileSync(draft, `${text}\n`, { mode: 0o600, flush: true });
  yield `${draft} is written`;
  renameSync(draft, file);
  yield `${file} is replaced`;
  const folder = openSync(join(file, ".."), "r");
  fsyncSync(folder);
  closeSync(folder);
  yield `${file} is there for good`;
}

/** Writes a new secret down for somebody to give it to several servers, unless that was done before; answers where. */
export function draftSecret(home: Home): string {
  const file = join(home.path, "etc", "secret.new");
  keep(file, drawSecret);
  return file;
}

/** Where the key before the current one stands. */
export function previousFile(path: string): string {
  return join(path, "etc", "secret.previous");
}

function secretFile(path: string): string {
  return join(path, "etc", "secret");
}
