import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";

/** The first value of a message that is none of its field's type, by its path; undefined when all are. */
export function typeFault(schema: DescMessage, message: Message): string | undefined {
  return faultIn(reflect(schema, message));
}

function faultIn(message: ReflectMessage): string | undefined {
  for (const field of message.desc.fields) {
    if (!message.isSet(field)) continue;
    const inner = faultOfField(field, message);
    if (inner !== undefined) return `${field.name}${inner}`;
  }
  return undefined;
}

function faultOfField(field: DescField, message: ReflectMessage): string | undefined {
  switch (field.fieldKind) {
    case "scalar":
      return fits(field.scalar, message.get(field)) ? undefined : shown(message.get(field));
    case "enum":
      return fits(ScalarType.INT32, message.get(field)) ? undefined : shown(message.get(field));
    case "message":
      return prefixed(faultIn(message.get(field)));
    case "list": {
      const type = field.listKind === "enum" ? ScalarType.INT32 : field.scalar;
      for (const item of message.get(field)) {
        if (type === undefined) {
          const inner = faultIn(item as ReflectMessage);
          if (inner !== undefined) return `[].${inner}`;
        } else if (!fits(type, item)) return shown(item);
      }
      return undefined;
    }
    case "map":
      for (const [key] of message.get(field)) if (!fits(field.mapKey, key)) return shown(key);
      return undefined;
  }
}

const prefixed = (fault: string | undefined) => fault && `.${fault}`;
const shown = (value: unknown) => ` is ${typeof value} ${String(value)}`;

function fits(type: ScalarType, value: unknown): boolean {
  switch (type) {
    case ScalarType.STRING:
      return typeof value === "string" && value.isWellFormed() && !value.includes("\0");
    case ScalarType.BYTES:
      return value instanceof Uint8Array;
    case ScalarType.BOOL:
      return typeof value === "boolean";
    case ScalarType.DOUBLE:
      return typeof value === "number";
    case ScalarType.FLOAT:
      return typeof value === "number" && (!Number.isFinite(value) || Math.abs(value) <= 3.4028234663852886e38);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return Number.isInteger(value) && Math.abs((value as number) + 0.5) < 2 ** 31;
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32;
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return typeof value === "bigint" && value >= 0n && value < 2n ** 64n;
    default:
      return typeof value === "bigint" && value >= -(2n ** 63n) && value < 2n ** 63n;
  }
}
