import { goesWithAccount, type Manifest } from "../../manifest.js";
import { exportCounters } from "./export.js";
import { counterHandler } from "./handler.js";

export { countersMoved } from "./rows.js";
export { decrement, increment } from "./store.js";
export { moveDerived, moveWithheld } from "./store-derived.js";

export const countersDomain: Manifest = {
  name: "counters",
  services: [counterHandler],
  erase: goesWithAccount,
  export: exportCounters,
};
