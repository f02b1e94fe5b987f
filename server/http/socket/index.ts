export { createSocketDoor } from "./door.js";
export type { SocketOptions } from "./options.js";
