import { type DescFile, type DescMessage, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** What can be asked about the protos of the served services. Each answer is a file and all that it imports, encoded. */
export interface Descriptors {
  readonly services: readonly string[];
  byFilename(name: string): Uint8Array[] | undefined;
  /** By the full name of a service, a method, a type, or whatever else a proto names. */
  bySymbol(name: string): Uint8Array[] | undefined;
  byExtension(extendee: string, number: number): Uint8Array[] | undefined;
  /** The numbers of the extensions of a message; undefined when there is no such message. */
  extensionNumbers(extendee: string): number[] | undefined;
}

/** Indexes the files of the services, and what these import, once. */
export function indexDescriptors(services: readonly DescService[]): Descriptors {
  const files = new Map<string, DescFile>();
  const symbols = new Map<string, DescFile>();
  const messages = new Set<string>();
  const extensions = new Map<string, Map<number, DescFile>>();
  for (const { file } of services) addFile(file);
  const bytes = new Map<DescFile, Uint8Array>();

  function addFile(file: DescFile): void {
    if (files.has(file.proto.name)) return;
    files.set(file.proto.name, file);
    for (const symbol of symbolsOf(file)) symbols.set(symbol, file);
    for (const message of messagesOf(file)) {
      for (const name of [message.typeName, ...mapEntriesOf(message)]) messages.add(name);
    }
    for (const { extendee, number } of extensionsOf(file)) {
      const numbers = extensions.get(extendee.typeName) ?? new Map<number, DescFile>();
      extensions.set(extendee.typeName, numbers.set(number, file));
    }
    for (const imported of file.dependencies) addFile(imported);
  }

  const encode = (file: DescFile): Uint8Array => {
    const encoded = bytes.get(file) ?? toBinary(FileDescriptorProtoSchema, file.proto);
    bytes.set(file, encoded);
    return encoded;
  };

  const withImports = (file: DescFile | undefined): Uint8Array[] | undefined => {
    if (file === undefined) return undefined;
    // A set that grows while it is walked: the file asked for comes first, and each only once.
    const found = new Set([file]);
    for (const one of found) for (const imported of one.dependencies) found.add(imported);
    return [...found].map(encode);
  };

  return {
    services: services.map(({ typeName }) => typeName).sort(),
    byFilename: (name) => withImports(files.get(name)),
    bySymbol: (name) => withImports(symbols.get(name)),
    byExtension: (extendee, number) => withImports(extensions.get(extendee)?.get(number)),
    extensionNumbers(extendee) {
      const numbers = extensions.get(extendee);
      if (numbers !== undefined) return [...numbers.keys()].sort((a, b) => a - b);
      return messages.has(extendee) ? [] : undefined;
    },
  };
}

function* messagesOf(parent: DescFile | DescMessage): Generator<DescMessage> {
  for (const message of parent.kind === "file" ? parent.messages : parent.nestedMessages) {
    yield message;
    yield* messagesOf(message);
  }
}

/** The messages that stand for the entries of maps. They are in the proto, and the library shows them as maps only. */
function mapEntriesOf({ proto, typeName }: DescMessage): string[] {
  return proto.nestedType.filter(({ options }) => options?.mapEntry).map(({ name }) => `${typeName}.${name}`);
}

function* symbolsOf(file: DescFile): Generator<string> {
  const enums = [...file.enums];
  for (const service of file.services) {
    yield service.typeName;
    for (const method of service.methods) yield `${service.typeName}.${method.name}`;
  }
  for (const message of messagesOf(file)) {
    yield message.typeName;
    for (const { name } of [...message.fields, ...message.oneofs]) yield `${message.typeName}.${name}`;
    for (const entry of mapEntriesOf(message)) yield* [entry, `${entry}.key`, `${entry}.value`];
    enums.push(...message.nestedEnums);
  }
  for (const { typeName, values } of enums) {
    yield typeName;
    // Values stand beside their enum, as in C.
    const scope = typeName.slice(0, typeName.lastIndexOf(".") + 1);
    for (const { name } of values) yield scope + name;
  }
  for (const { typeName } of extensionsOf(file)) yield typeName;
}

function extensionsOf(file: DescFile) {
  return [...file.extensions, ...[...messagesOf(file)].flatMap((message) => message.nestedExtensions)];
}
