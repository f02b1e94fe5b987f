import type { Manifest } from "../../manifest.js";
import { systemHandler } from "./handler.js";

export const systemDomain: Manifest = { name: "system", services: [systemHandler] };
