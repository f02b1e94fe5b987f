import { openModelHouse } from "./model-house.js";
import { holdsOn } from "./model-property.js";

// On the embedded default, as it is started without a word.
holdsOn(() => openModelHouse());
