import { goesWithAccount, type Manifest } from "../../manifest.js";
import { exportCounters } from "./export.js";

export { decrement, increment } from "./store.js";

export const countersDomain: Manifest = {
  name: "counters",
  services: [],
  erase: goesWithAccount,
  export: exportCounters,
};
