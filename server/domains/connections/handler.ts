import { ConnectionService } from "#gen/backstay/connections/v1/connections_pb.js";
import { serve } from "../../manifest.js";

const pending = () => {
  throw new Error("pending");
};

export const connectionHandler = serve(ConnectionService, {
  putConnection: pending,
  updateConnection: pending,
  deleteConnections: pending,
  listConnections: pending,
  listReferences: pending,
  listMutual: pending,
  block: pending,
  unblock: pending,
  listBlocked: pending,
});
