import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { AccountService } from "./gen/backstay/accounts/v1/accounts_pb.js";
import { AuthService } from "./gen/backstay/auth/v1/auth_pb.js";
import { ConnectionService } from "./gen/backstay/connections/v1/connections_pb.js";
import { CounterService } from "./gen/backstay/counters/v1/counters_pb.js";
import { EventService } from "./gen/backstay/events/v1/events_pb.js";
import { HistoryService } from "./gen/backstay/history/v1/history_pb.js";
import { JobService } from "./gen/backstay/jobs/v1/jobs_pb.js";
import { MessageService } from "./gen/backstay/messages/v1/messages_pb.js";
import { SystemService } from "./gen/backstay/system/v1/system_pb.js";

const CREATES: ReadonlySet<DescMethod> = new Set([
  AccountService.method.createAccount,
  AuthService.method.createApiKey,
  ConnectionService.method.putConnection,
  CounterService.method.incrementCounters,
  EventService.method.publish,
  HistoryService.method.appendHistory,
  JobService.method.submitJob,
  JobService.method.submitJobs,
  JobService.method.runCron,
  MessageService.method.sendMessage,
]);

const OPEN: ReadonlySet<DescMethod> = new Set([
  AuthService.method.signIn,
  AuthService.method.refresh,
  AuthService.method.completeSetup,
  AuthService.method.requestSecretReset,
  AuthService.method.resetSecret,
  AuthService.method.verify,
  AuthService.method.beginSignIn,
  AuthService.method.finishSignIn,
  AuthService.method.signInAnonymously,
  AuthService.method.finishOAuth,
  SystemService.method.ping,
  SystemService.method.getInfo,
]);

/** Makes something: every call carries an idempotency key, so that a repeat does not make it twice. */
export function isCreate(method: DescMethod): boolean {
  return CREATES.has(method);
}

/** Does not ask who calls: sent without a token, so that it works when the token does not. */
export function isOpen(method: DescMethod): boolean {
  return OPEN.has(method);
}

/** Only reads: may be repeated freely. */
export function isRead(method: DescMethod): boolean {
  return method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
}
