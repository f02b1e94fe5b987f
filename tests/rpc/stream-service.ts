import { create, createFileRegistry } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";

// A service of streams, since the product has few of them. It is made of descriptors, without a proto.

const field = (name: string, number: number, type: FieldDescriptorProto_Type) => ({
  name,
  number,
  type,
  jsonName: name,
  label: FieldDescriptorProto_Label.OPTIONAL,
});

const file = create(FileDescriptorProtoSchema, {
  name: "test/v1/stream.proto",
  package: "test.v1",
  syntax: "proto3",
  messageType: [
    {
      name: "Item",
      field: [field("text", 1, FieldDescriptorProto_Type.STRING), field("number", 2, FieldDescriptorProto_Type.INT32)],
    },
  ],
  service: [
    {
      name: "StreamService",
      method: [
        { name: "Collect", inputType: ".test.v1.Item", outputType: ".test.v1.Item", clientStreaming: true },
        {
          name: "Echo",
          inputType: ".test.v1.Item",
          outputType: ".test.v1.Item",
          clientStreaming: true,
          serverStreaming: true,
        },
        { name: "Repeat", inputType: ".test.v1.Item", outputType: ".test.v1.Item", serverStreaming: true },
      ],
    },
  ],
});

const registry = createFileRegistry(file, () => undefined);

export const StreamService = registry.getService("test.v1.StreamService")!;
export const ItemSchema = registry.getMessage("test.v1.Item")!;

export interface Item {
  text: string;
  number: number;
}

/**
 * Collect answers all texts and the sum; Echo answers each item as it comes, and ends at -2. At -1 both `fail`. Repeat answers
 * its item as often as its number says, numbered, and then fails when that is odd.
 */
export function streamHandlers(fail: (item: Item) => void) {
  return {
    async collect(items: AsyncIterable<Item>) {
      const all = { text: "", number: 0 };
      for await (const item of items) {
        if (item.number === -1) fail(item);
        all.text += item.text;
        all.number += item.number;
      }
      return all;
    },
    async *echo(items: AsyncIterable<Item>) {
      for await (const item of items) {
        if (item.number === -1) fail(item);
        if (item.number === -2) return;
        yield { text: item.text, number: item.number };
      }
    },
    async *repeat(item: Item) {
      for (let number = 0; number < item.number; number++) yield { text: item.text, number };
      if (item.number % 2 !== 0) fail(item);
    },
  };
}
