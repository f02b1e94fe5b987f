export { decrement, increment } from "./store.js";
