import { readFileSync } from "node:fs";

/** Whether a process of that number exists, whoever owns it. */
export function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** When a process started, in a unit of the system's: tells it from a later one of the same number. Empty where unknown. */
export function startTimeOf(pid: number): string {
  if (process.platform !== "linux") return "";
  try {
    return statOf(pid).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

/** The fields the kernel keeps after a process's name, which may hold anything: state, parent and so on. Throws off Linux. */
export function statOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2);
}
