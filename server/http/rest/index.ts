export { createRestDoor, type RestDoor } from "./door.js";
export type { Forms, FormValues, RestOptions } from "./options.js";
export { percentDecode, splitQuery } from "./percent.js";
export { isGone, methodNotAllowed, notFound, sendJson } from "./response.js";
