import {
  create,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { type HttpRule, HttpRuleSchema } from "#gen/google/api/http_pb.js";
import type { Given } from "./given.js";

/** One of the predecessor's paths: a google.api.HttpRule, and how its parameters and its answer are spelled. */
export interface CompatRule {
  readonly method: DescMethodUnary;
  /** Its selector names the RPC, as in a service configuration. */
  readonly http: HttpRule;
  readonly spelling: Spelling<DescMessage, DescMessage>;
}

/** How a path speaks. */
export interface Spelling<I extends DescMessage, O extends DescMessage> {
  /** The RPC's request. Throws DomainError for parameters that make none. */
  ask(given: Given): MessageInitShape<I>;
  /** What the path answers, as JSON. */
  reply(answer: MessageShape<O>, given: Given): unknown;
  /** Parameters that do not belong into a URL. */
  readonly secrets?: readonly string[];
  /** Whether `_session=1` begins a session with the answer, and `_session=0` ends one. */
  readonly sessions?: boolean;
  /** Whether a body that says nothing of its type is a form. */
  readonly untypedForm?: boolean;
  /** What is answered to someone who is not signed in, in place of an error. */
  readonly stranger?: unknown;
  /** The field of the answer that holds a page's rows: `_start` and `_page` may then leave out the first ones. */
  readonly rows?: string;
  /** Parameters that are any JSON value where a JSON body gives them, and text elsewhere. */
  readonly free?: readonly string[];
  /** What is done in the place of the RPC, for parameters that it has no words for. Throws DomainError. */
  readonly instead?: (given: Given) => Instead | undefined;
}

/** What a path does by other RPCs. It is done in several steps, each of which stays done. */
export interface Instead {
  /** What it calls: before anything is done, the caller must have the right to each. */
  readonly methods: readonly DescMethodUnary[];
  /** Does it, and answers what the path answers. */
  run(ask: Ask): Promise<unknown>;
}

/** Calls an RPC as the caller of the path. */
export type Ask = <I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
) => Promise<MessageShape<O>>;

/** Puts an RPC at one of the predecessor's paths, by GET and POST alike. */
export function compatRule<I extends DescMessage, O extends DescMessage>(
  path: string,
  method: DescMethodUnary<I, O>,
  spelling: Spelling<I, O>,
): CompatRule {
  const http = create(HttpRuleSchema, {
    selector: `${method.parent.typeName}.${method.name}`,
    pattern: { case: "get", value: path },
    additionalBindings: [{ pattern: { case: "post", value: path }, body: "*" }],
  });
  return { method, http, spelling: spelling as unknown as CompatRule["spelling"] };
}
