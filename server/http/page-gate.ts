import { Access, RateClass } from "#gen/backstay/options/v1/options_pb.js";
import { Call, type CallRequest } from "../rpc/call.js";
import type { Request, Response } from "../rpc/dispatcher.js";
import type { Method } from "../rpc/methods.js";
import type { Pipeline } from "../rpc/pipeline.js";
import { sendError } from "./rest/index.js";

/** Asks an app's hooks about a GET that no RPC answers; false when they refused it, which has been answered then. */
export type PageGate = (req: Request, res: Response) => Promise<boolean>;

const NOTHING = Buffer.of();

/** `model`: a method whose descriptor the calls of pages borrow, since they have none of their own. */
export function createPageGate(model: Method, pipeline: Pipeline): PageGate {
  const page: Method = {
    ...model,
    name: "page/get",
    access: Access.PUBLIC,
    ignoresBadProof: true,
    denied: false,
    rateClass: RateClass.READ,
    stream: false,
    streamsRequests: false,
    longLived: false,
    readOnly: true,
    signedOnce: false,
    handler: () => {
      throw new Error("a page is no method that runs");
    },
  };
  return async (req, res) => {
    const call = new Call(page, "rest", req as CallRequest);
    try {
      await pipeline.admit(call);
      await pipeline.prove(call, NOTHING);
      pipeline.close(call);
      return true;
    } catch (error) {
      sendError(req, res, call, pipeline.close(call, error)!);
      return false;
    }
  };
}
