// Lets this process import TypeScript: the package ships its source. A module runs once, so it registers once.
import { register } from "tsx/esm/api";

try {
  // Only tsx finds this one's source. A program that it runs has it already; what is translated twice may come out wrong.
  await import("../kernel/clock.js");
} catch {
  register();
}
