import type { Manifest } from "../../manifest.js";
import { eraseCounters } from "./erase.js";
import { exportCounters } from "./export.js";
import { counterHandler } from "./handler.js";

export { endCounting } from "./erase.js";
export { countersMoved, countersOfAllMoved } from "./rows.js";
export { decrement, increment } from "./store.js";
export { incrementWithheld, moveDerived, moveEach, moveWithheld } from "./store-derived.js";
export { takeDerived } from "./store-erase.js";

export const countersDomain: Manifest = {
  name: "counters",
  services: [counterHandler],
  erase: eraseCounters,
  export: exportCounters,
};
