export { createRestDoor, type RestDoor } from "./door.js";
export type { RestOptions } from "./options.js";
export { percentDecode, splitQuery } from "./percent.js";
export { isGone, methodNotAllowed, notFound, sendJson } from "./response.js";
