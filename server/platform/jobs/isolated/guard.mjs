// A thread of a job's process, in plain JavaScript so that it is there at once. The process hears of its parent's end by itself,
// unless a job never lets it listen: then it is ended here.
import { workerData } from "node:worker_threads";

setInterval(() => {
  if (process.ppid !== workerData.parent) process.kill(process.pid, "SIGKILL");
}, 500);
