export { increment } from "./store.js";
