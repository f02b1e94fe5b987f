import { goesWithAccount, type Manifest } from "../../manifest.js";
import { historyHandler } from "./handler.js";
import { exportHistory } from "./handler-export.js";
import { pruneHistory } from "./retention.js";

export const historyDomain: Manifest = {
  name: "history",
  services: [historyHandler],
  jobs: [pruneHistory],
  erase: goesWithAccount,
  export: exportHistory,
};
