export { JOB_COLUMNS, type JobRow } from "./rows.js";
export { crons, jobQueues, jobs, jobWorkers, STATE } from "./schema.js";
export { wakeNextOfKey } from "./store.js";
