export { JOB_COLUMNS, type JobRow } from "./rows.js";
export { crons, jobQueues, jobs, STATE } from "./schema.js";
export { wakeNextOfKey } from "./store.js";
