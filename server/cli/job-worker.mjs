// What a process, or a thread, that runs jobs begins with: plain JavaScript, which brings what reads our TypeScript.
import "./typescript.mjs";

const { runJobWorker } = await import("./job-worker.ts");
await runJobWorker();
