export { createRestDoor, type RestDoor } from "./door.js";
export type { RestOptions } from "./options.js";
export { percentDecode, splitQuery } from "./percent.js";
export { isGone, methodNotAllowed, notFound, sendError, sendJson } from "./response.js";
export { createRouter, type RestMatch } from "./router.js";
export { parseTemplate, type Template } from "./template.js";
