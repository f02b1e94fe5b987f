export { createRestDoor, type RestDoor } from "./door.js";
export { methodNotAllowed, notFound } from "./response.js";
export type { RestMatch } from "./router.js";
