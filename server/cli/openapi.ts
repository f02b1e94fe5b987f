import { describeApi } from "../app.js";

/** Prints the OpenAPI document; it takes neither a running server nor a database. */
export function printOpenApi(): void {
  process.stdout.write(describeApi());
}
