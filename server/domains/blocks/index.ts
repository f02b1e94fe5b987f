import { goesWithAccount, type Manifest } from "../../manifest.js";
import { exportBlocks } from "./handler-export.js";

export { blockAccount, blockersOf, listBlocked, unblockAccount } from "./service.js";
export { heardAt, isBlocked } from "./store.js";
export { toBlocked } from "./wire.js";

export const blocksDomain: Manifest = {
  name: "blocks",
  services: [],
  erase: goesWithAccount,
  export: exportBlocks,
};
