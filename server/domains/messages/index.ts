import type { Manifest } from "../../manifest.js";
import { messageHandler } from "./handler.js";

export const messagesDomain: Manifest = { name: "messages", services: [messageHandler] };
