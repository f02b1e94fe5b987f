import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { DescFile } from "@bufbuild/protobuf";
import { type SourceFile, sourceFile } from "./source.js";

/** The repository's top folder. */
export const root = new URL("../../", import.meta.url);

/** Every TypeScript and module file of server/, with its imports. */
export function serverFiles(): SourceFile[] {
  return filesIn("server", /\.m?ts$|\.mjs$/).map((file) => sourceFile(file, readFileSync(new URL(file, root), "utf8")));
}

/** The descriptors of every proto of ours, from gen/. */
export async function generatedDescriptors(): Promise<DescFile[]> {
  const modules = await Promise.all(
    filesIn("gen/backstay", /\/v\d+\/[^/]+_pb\.ts$/).map((file) => import(new URL(file, root).href)),
  );
  return modules.flatMap((module) => Object.values<unknown>(module).filter(isDescFile));
}

function isDescFile(value: unknown): value is DescFile {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "file";
}

function filesIn(folder: string, pattern: RegExp): string[] {
  const top = fileURLToPath(root);
  return readdirSync(join(top, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(top, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter((file) => pattern.test(file))
    .sort();
}
