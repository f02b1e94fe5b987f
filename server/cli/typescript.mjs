// Lets this process import TypeScript: the package ships its source. A module runs once, so it registers once.
import { register } from "tsx/esm/api";

register();
