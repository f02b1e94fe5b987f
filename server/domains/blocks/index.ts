import { goesWithAccount, holdsNothing, type Manifest } from "../../manifest.js";

export { isBlocked } from "./store.js";

export const blocksDomain: Manifest = { name: "blocks", services: [], erase: goesWithAccount, export: holdsNothing };
