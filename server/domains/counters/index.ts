export { increment, readCounters } from "./store.js";
