import { holdsNothing, type Manifest } from "../../manifest.js";
import { systemHandler } from "./handler.js";
import { pruneIdempotency } from "./jobs.js";

export const systemDomain: Manifest = {
  name: "system",
  services: [systemHandler],
  jobs: [pruneIdempotency],
  erase: holdsNothing,
  export: holdsNothing,
};
