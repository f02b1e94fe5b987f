import { goesWithAccount, type Manifest } from "../../manifest.js";
import { messageHandler } from "./handler.js";
import { exportMessages } from "./handler-export.js";

export const messagesDomain: Manifest = {
  name: "messages",
  services: [messageHandler],
  // What it has sent stays with whoever received it.
  erase: goesWithAccount,
  export: exportMessages,
};
