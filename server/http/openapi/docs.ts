import type {
  DescEnum,
  DescEnumValue,
  DescField,
  DescMessage,
  DescMethod,
  DescOneof,
  DescService,
} from "@bufbuild/protobuf";

/** The comments of protos by full name; a method, field or value is named after what it stands in. */
export type Docs = Readonly<Record<string, string>>;

type Documented = DescService | DescMethod | DescMessage | DescField | DescOneof | DescEnum | DescEnumValue;

/** What the proto says about something; empty when it says nothing. */
export function commentOf(docs: Docs, desc: Documented): string {
  return docs["typeName" in desc ? desc.typeName : `${desc.parent.typeName}.${desc.name}`] ?? "";
}

/** The part of a comment that tells what a call fails with; empty when there is none. */
export function errorsPart(comment: string): string {
  return /^Errors: ([\s\S]*)/m.exec(comment)?.[1] ?? "";
}

/** A comment as Markdown, where its errors are a paragraph of their own. */
export function toMarkdown(comment: string): string {
  return comment.replace(/\n+(?=Errors: )/, "\n\n");
}

/** What a comment says first, short enough for a list. */
export function summaryOf(comment: string): string {
  return comment.split(/[.:;](?:\s|$)/, 1)[0]!.replaceAll("\n", " ");
}

/** Paragraphs of which some may be missing, as a `description`. */
export function described(...paragraphs: readonly (string | undefined)[]): { description?: string } {
  const description = paragraphs.filter((text) => text !== undefined && text !== "").join("\n\n");
  return description === "" ? {} : { description };
}
