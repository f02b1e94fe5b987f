import { Health as HealthService } from "#gen/grpc/health/v1/health_pb.js";
import type { Served } from "../../manifest.js";
import type { Health } from "../health.js";
import { indexDescriptors } from "./descriptors.js";
import { healthService } from "./health.js";
import { REFLECTION, reflectionServices } from "./reflection.js";

/** The services that gRPC's own tools look for: health always, reflection when it is wanted. They tell of themselves too. */
export function grpcServices(
  services: readonly Served[],
  health: Pick<Health, "isReady">,
  options: { reflection: boolean },
): Served[] {
  const reflected = options.reflection ? REFLECTION : [];
  const all = [...services.map(({ descriptor }) => descriptor), HealthService, ...reflected];
  const names = all.map(({ typeName }) => typeName);
  const reflection = options.reflection ? reflectionServices(indexDescriptors(all)) : [];
  return [healthService(health, names), ...reflection];
}
