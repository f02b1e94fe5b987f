import { holdsNothing, type Manifest } from "../../manifest.js";
import { cacheHandler } from "./handler.js";

export const cacheDomain: Manifest = {
  name: "cache",
  services: [cacheHandler],
  erase: holdsNothing,
  export: holdsNothing,
};
