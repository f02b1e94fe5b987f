export { createRestDoor, type RestDoor } from "./door.js";
export { methodNotAllowed, notFound } from "./response.js";
