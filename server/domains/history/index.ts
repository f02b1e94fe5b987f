import { goesWithAccount, holdsNothing, type Manifest } from "../../manifest.js";
import { historyHandler } from "./handler.js";

export const historyDomain: Manifest = {
  name: "history",
  services: [historyHandler],
  erase: goesWithAccount,
  export: holdsNothing,
};
