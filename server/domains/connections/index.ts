import type { Manifest } from "../../manifest.js";
import { eraseConnections } from "./erase.js";
import { connectionHandler } from "./handler.js";
import { exportConnections } from "./handler-export.js";
import { eraseJob } from "./jobs.js";

export const connectionsDomain: Manifest = {
  name: "connections",
  services: [connectionHandler],
  erase: eraseConnections,
  export: exportConnections,
  jobs: [eraseJob],
};
