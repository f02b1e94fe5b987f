// placeholder until the door is built
export type RestMatch = never;
export interface RestDoor { match(method: string, path: string): RestMatch | { allow: string[] } | undefined; handle(req: unknown, res: unknown, match: RestMatch): Promise<void> }
export function createRestDoor(..._: unknown[]): RestDoor { return { match: () => undefined, handle: async () => {} }; }
export function notFound(res: any, _id: string): undefined { res.statusCode = 404; res.end(); return undefined; }
export function methodNotAllowed(res: any, _id: string, _allow: string[]): undefined { res.statusCode = 405; res.end(); return undefined; }
