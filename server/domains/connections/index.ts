import { goesWithAccount, holdsNothing, type Manifest } from "../../manifest.js";
import { connectionHandler } from "./handler.js";

export const connectionsDomain: Manifest = {
  name: "connections",
  services: [connectionHandler],
  erase: goesWithAccount,
  export: holdsNothing,
};
