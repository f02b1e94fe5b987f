import { holdsNothing, type Manifest } from "../../manifest.js";
import { jobHandler } from "./handler.js";
import { jobRetention } from "./retention.js";

export const jobsDomain: Manifest = {
  name: "jobs",
  services: [jobHandler],
  jobs: jobRetention,
  erase: holdsNothing,
  export: holdsNothing,
};
