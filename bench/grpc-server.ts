/** Reference 3: Ping by @grpc/grpc-js, with the messages of our own proto. Prints its port. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { type PingRequest, PingRequestSchema, PingResponseSchema } from "#gen/backstay/system/v1/system_pb.js";

const server = new Server();
server.addService(
  {
    ping: {
      path: "/backstay.system.v1.SystemService/Ping",
      requestStream: false,
      responseStream: false,
      requestSerialize: (message: PingRequest) => Buffer.from(toBinary(PingRequestSchema, message)),
      requestDeserialize: (bytes) => fromBinary(PingRequestSchema, bytes),
      responseSerialize: (message) => Buffer.from(toBinary(PingResponseSchema, message)),
      responseDeserialize: (bytes) => fromBinary(PingResponseSchema, bytes),
    },
  },
  {
    ping: (_call: unknown, answer: (error: null, response: unknown) => void) =>
      answer(null, create(PingResponseSchema)),
  },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(`ready ${port}`);
});
