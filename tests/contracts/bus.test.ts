import { describe } from "vitest";
import { memoryBus } from "../../server/platform/bus/memory.js";
import { exerciseBus } from "./exercise-bus.js";

describe("the bus within one process", () => exerciseBus(memoryBus));
