import type { DescEnum, DescField, DescMessage, JsonObject, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { commentOf, type Docs, described } from "./docs.js";
import { boundsOf } from "./rules.js";
import { MAP_KEYS, nullable, SCALARS, WELL_KNOWN } from "./well-known.js";

/** Turns messages into the JSON Schema of their proto JSON. */
export interface Schemas {
  message(desc: DescMessage): JsonObject;
  /** A message without fields that are given elsewhere, by their JSON names. */
  messageWithout(desc: DescMessage, fields: ReadonlySet<string>): JsonObject;
  /** A field with its comment and bounds. */
  field(field: DescField): JsonObject;
  /** A field as text in a path or query says it, where there is no null. */
  text(field: DescField): JsonObject;
  /** What was referred to, by full name. */
  readonly components: JsonObject;
}

/**
 * `answered` tells whether a message can stand in an answer: those that cannot have their secrets marked as only written
 * and their required fields as required, which nobody promises of an answer.
 */
export function createSchemas(docs: Docs, answered: (desc: DescMessage) => boolean, known: JsonObject): Schemas {
  const components: JsonObject = { ...known };

  const refer = (desc: DescMessage | DescEnum, make: () => JsonObject): JsonObject => {
    if (!(desc.typeName in components)) {
      // A message may hold itself, so its place is taken before it is made.
      components[desc.typeName] = {};
      components[desc.typeName] = make();
    }
    return { $ref: `#/components/schemas/${desc.typeName}` };
  };

  const enumeration = (desc: DescEnum): JsonObject => {
    if (desc.typeName === "google.protobuf.NullValue") return { type: "null" };
    return refer(desc, () => {
      const values = desc.values.map((value) => {
        const says = commentOf(docs, value).replaceAll("\n", " ");
        return says === "" ? `- \`${value.name}\`` : `- \`${value.name}\`: ${says}`;
      });
      return {
        type: "string",
        enum: desc.values.map(({ name }) => name),
        ...described(commentOf(docs, desc), values.join("\n")),
        ...(desc.deprecated && { deprecated: true }),
      };
    });
  };

  const message = (desc: DescMessage): JsonObject => {
    const wellKnown = WELL_KNOWN[desc.typeName];
    if (wellKnown !== undefined) return wellKnown;
    if (isWrapperDesc(desc)) return nullable(SCALARS[wrapped(desc)]);
    return refer(desc, () => object(desc, new Set()));
  };

  const object = (desc: DescMessage, without: ReadonlySet<string>): JsonObject => {
    const fields = desc.fields.filter(({ jsonName }) => !without.has(jsonName));
    const required = answered(desc) ? [] : fields.filter((one) => boundsOf(one).required).map((one) => one.jsonName);
    const oneofs = desc.oneofs.map((oneof) => {
      const names = oneof.fields.map(({ jsonName }) => `\`${jsonName}\``).join(", ");
      return `${commentOf(docs, oneof)} At most one of ${names} is set.`.trim();
    });
    return {
      type: "object",
      ...described(commentOf(docs, desc), ...oneofs),
      properties: Object.fromEntries(fields.map((field) => [field.jsonName, property(field)])),
      ...(required.length > 0 && { required }),
      ...(desc.deprecated && { deprecated: true }),
    };
  };

  const single = (field: DescField): JsonObject => {
    if (field.scalar !== undefined) return SCALARS[field.scalar];
    return field.enum === undefined ? message(field.message!) : enumeration(field.enum);
  };

  /** The type of a field and its bounds. */
  const typed = (field: DescField): JsonObject => {
    const { keywords, items } = boundsOf(field);
    if (field.fieldKind === "list") return { type: "array", items: { ...single(field), ...items }, ...keywords };
    if (field.fieldKind !== "map") return { ...single(field), ...keywords };
    const names = MAP_KEYS[field.mapKey];
    const additionalProperties = { ...single(field), ...items };
    return { type: "object", ...(names && { propertyNames: names }), additionalProperties, ...keywords };
  };

  const about = (field: DescField): JsonObject => ({
    ...described(commentOf(docs, field)),
    ...(isSecret(field) && { format: "password" }),
    ...(field.deprecated && { deprecated: true }),
  });

  const property = (field: DescField): JsonObject => ({
    ...typed(field),
    ...about(field),
    ...(isSecret(field) && !answered(field.parent) && { writeOnly: true }),
  });

  return {
    message,
    messageWithout: (desc, fields) => ({ title: desc.name, ...object(desc, fields) }),
    field: property,
    text(field) {
      const wrapper = field.message && isWrapperDesc(field.message) ? SCALARS[wrapped(field.message)] : undefined;
      if (wrapper === undefined || field.fieldKind === "list") return typed(field);
      return { ...wrapper, ...boundsOf(field).keywords };
    },
    components,
  };
}

function wrapped(desc: DescMessage): ScalarType {
  return desc.fields[0]!.scalar!;
}

/** What a log would hide, a form should too. */
export function isSecret(field: DescField): boolean {
  return field.proto.options?.debugRedact === true;
}

/** A message and every message inside of it. */
export function reachable(roots: Iterable<DescMessage>): ReadonlySet<DescMessage> {
  const found = new Set<DescMessage>();
  const walk = (desc: DescMessage) => {
    if (found.has(desc)) return;
    found.add(desc);
    for (const { message } of desc.fields) if (message !== undefined) walk(message);
  };
  for (const root of roots) walk(root);
  return found;
}
