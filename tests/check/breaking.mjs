/**
 * Compares proto/ with the last release. Not with main: everyone commits there, so that would say nothing. buf's own
 * way to read a git reference does not help either, because the third-party modules are not in git.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { join, relative } from "node:path";
import { root, runTool } from "./tool.mjs";

const RELEASE = /^v\d+\.\d+\.\d+$/;

/** @returns {Promise<{ ok: boolean, output?: string, note: string }>} */
export async function breaking() {
  const { tag, reason } = await lastRelease();
  if (!tag) return { ok: true, note: `compares with nothing: ${reason}` };
  mkdirSync(join(root, ".cache"), { recursive: true });
  const base = mkdtempSync(join(root, ".cache/base-"));
  try {
    return { ...(await compareWith(tag, base)), note: `against ${tag}` };
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

async function lastRelease() {
  const prefix = await runTool("git", ["rev-parse", "--show-prefix"]);
  // A prefix means that some other repository lies around ours: its tags are not our releases.
  if (!prefix.ok || prefix.output !== "") return { reason: "there is no git history" };
  const tags = await runTool("git", ["tag", "--merged", "HEAD", "--sort=-version:refname"]);
  const tag = tags.ok ? tags.output.split("\n").find((name) => RELEASE.test(name)) : undefined;
  return tag ? { tag } : { reason: "there is no release tag vX.Y.Z yet" };
}

async function compareWith(tag, base) {
  const archive = join(base, "release.tar");
  for (const [tool, ...args] of [
    ["git", "archive", "--output", archive, tag, "proto", "buf.yaml"],
    ["tar", "-x", "-f", archive, "-C", base],
  ]) {
    const run = await runTool(tool, args);
    if (!run.ok) return run;
  }
  mkdirSync(join(base, ".cache"));
  symlinkSync(join(root, "node_modules"), join(base, "node_modules"), "junction");
  symlinkSync(join(root, ".cache/proto"), join(base, ".cache/proto"), "junction");
  return await runTool("buf", ["breaking", "proto", "--against", relative(root, join(base, "proto"))]);
}
