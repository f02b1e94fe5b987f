import {
  create,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";

/** A call by @grpc/grpc-js, over h2c, with the messages of our own contract. */
export function grpcClient(url: string) {
  const client = new grpc.Client(new URL(url).host, grpc.credentials.createInsecure());
  const path = (method: DescMethod) => `/${method.parent.typeName}/${method.name}`;
  const encode = (method: DescMethod) => (request: object) => Buffer.from(toBinary(method.input, request as never));
  const decode = (method: DescMethod) => (bytes: Buffer) => fromBinary(method.output, bytes);

  return {
    unary<M extends DescMethod>(
      method: M,
      request: MessageInitShape<M["input"]>,
      metadata: Record<string, string> = {},
      options: grpc.CallOptions = {},
    ): Promise<MessageShape<M["output"]>> {
      const message = create(method.input, request as never);
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          path(method),
          encode(method),
          decode(method),
          message,
          toMetadata(metadata),
          options,
          (error, response) => (error ? reject(error) : resolve(response as MessageShape<M["output"]>)),
        );
      });
    },
    stream<M extends DescMethod>(
      method: M,
      request: MessageInitShape<M["input"]>,
      metadata: Record<string, string> = {},
    ): grpc.ClientReadableStream<MessageShape<M["output"]>> {
      const message = create(method.input, request as never);
      return client.makeServerStreamRequest(
        path(method),
        encode(method),
        decode(method),
        message,
        toMetadata(metadata),
      ) as grpc.ClientReadableStream<MessageShape<M["output"]>>;
    },
    bidi<M extends DescMethod>(
      method: M,
      metadata: Record<string, string> = {},
    ): grpc.ClientDuplexStream<MessageInitShape<M["input"]>, MessageShape<M["output"]>> {
      const encodeInit = (init: MessageInitShape<M["input"]>) =>
        encode(method)(create(method.input, init as never) as never);
      return client.makeBidiStreamRequest(path(method), encodeInit, decode(method), toMetadata(metadata)) as never;
    },
    close: () => client.close(),
  };
}

function toMetadata(values: Record<string, string>): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(values)) metadata.set(name, value);
  return metadata;
}
