export type { JsonObject, JsonValue } from "@bufbuild/protobuf";
export { durationFromMs, timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
export type { AccountsClient } from "./accounts.js";
export type { AppSocket, SocketMessage, SocketOptions } from "./app-socket.js";
export type { AuthClient } from "./auth.js";
export type { Backoff } from "./backoff.js";
export { BackstayError, type BackstayErrorInit, type ErrorCode, type FieldError } from "./backstay-error.js";
export type { CallOptions, RetryPolicy } from "./call.js";
export { type BackstayClient, type ClientOptions, createClient } from "./client.js";
export { eventData } from "./event-data.js";
export type { EventsClient } from "./events.js";
export {
  type Account,
  AccountSchema,
  AccountStatus,
  type BatchGetAccountsResponse,
  type CreateAccountResponse,
  type DeleteAccountResponse,
  type ExportAccountResponse,
  type GetAccountResponse,
  type ListAccountsResponse,
  type SetAccountStatusResponse,
  type UpdateAccountResponse,
} from "./gen/backstay/accounts/v1/accounts_pb.js";
export type {
  ApiKey as ApiKeyInfo,
  CreateApiKeyResponse,
  ListApiKeysResponse,
} from "./gen/backstay/auth/v1/api_key_pb.js";
export type {
  AuditEvent,
  ListAuditEventsResponse,
  VerifyAuditLogResponse,
} from "./gen/backstay/auth/v1/audit_pb.js";
export type {
  CompleteSetupResponse,
  GetCurrentResponse,
  SignInResponse,
  StartSessionResponse,
} from "./gen/backstay/auth/v1/auth_pb.js";
export type { Device, ListDevicesResponse, RevokeOtherDevicesResponse } from "./gen/backstay/auth/v1/device_pb.js";
export type {
  Identity,
  LinkIdentityResponse,
  ListIdentitiesResponse,
  SignInAnonymouslyResponse,
  UpgradeAnonymousResponse,
} from "./gen/backstay/auth/v1/identity_pb.js";
export type { FinishOAuthResponse, StartOAuthResponse } from "./gen/backstay/auth/v1/oauth_pb.js";
export type {
  BeginRegistrationResponse,
  BeginSignInResponse,
  FinishRegistrationResponse,
  FinishSignInResponse,
  ListPasskeysResponse,
  Passkey,
} from "./gen/backstay/auth/v1/passkey_pb.js";
export type { GrantRoleResponse, RevokeRoleResponse } from "./gen/backstay/auth/v1/role_pb.js";
export type {
  ConfirmTotpResponse,
  EnrollTotpResponse,
  RegenerateRecoveryCodesResponse,
} from "./gen/backstay/auth/v1/totp_pb.js";
export type {
  CacheStats,
  GetStatsResponse,
  IncrementResponse,
  ListKeysResponse,
} from "./gen/backstay/cache/v1/cache_pb.js";
export {
  type Blocked,
  type BlockResponse,
  type Connection,
  ConnectionSchema,
  type DeleteConnectionsResponse,
  type ListBlockedResponse,
  type ListConnectionsResponse,
  type ListMutualResponse,
  type ListReferencesResponse,
  type PutConnectionResponse,
  type UnblockResponse,
  type UpdateConnectionResponse,
} from "./gen/backstay/connections/v1/connections_pb.js";
export {
  type CounterChange,
  CounterChangeSchema,
  type GetCountersResponse,
  type IncrementCountersResponse,
  type PutCountersResponse,
} from "./gen/backstay/counters/v1/counters_pb.js";
export {
  type Event,
  EventSchema,
  type ListPresenceResponse,
  type PollResponse,
  type Presence,
  type PublishResponse,
} from "./gen/backstay/events/v1/events_pb.js";
export {
  type AppendHistoryResponse,
  type HistoryEntry,
  HistoryEntrySchema,
  type ListHistoryResponse,
} from "./gen/backstay/history/v1/history_pb.js";
export {
  type CancelJobResponse,
  type Cron,
  type GetJobResponse,
  type Job,
  JobSchema,
  JobState,
  type ListCronsResponse,
  type ListJobsResponse,
  type ListQueuesResponse,
  OnConflict,
  type PauseCronResponse,
  type PauseQueueResponse,
  type PurgeJobsResponse,
  type Queue,
  type ResumeCronResponse,
  type ResumeQueueResponse,
  type RetryJobResponse,
  type RunCronResponse,
  type SubmitJobResponse,
  type SubmitJobsResponse,
} from "./gen/backstay/jobs/v1/jobs_pb.js";
export {
  type ListMessagesResponse,
  type MarkReadResponse,
  type Message,
  MessageSchema,
  type SendMessageResponse,
} from "./gen/backstay/messages/v1/messages_pb.js";
export type { GetInfoResponse, PingResponse } from "./gen/backstay/system/v1/system_pb.js";
export type { JobsClient } from "./jobs.js";
export type { EventsHandle, OnOptions } from "./on.js";
export type { ReadOptions } from "./read-stream.js";
export type { EventGap, SubscriptionStatus } from "./resume.js";
export type { ServiceClient } from "./service-client.js";
export type { AuthChange } from "./session.js";
export { type ApiKey, type RequestToSign, signRequest } from "./sign-request.js";
export type { SubscribeInit, SubscribeOptions, Subscription } from "./subscription.js";
export { localStorageStore, memoryStore, type StoredTokens, type TokenStore } from "./token-store.js";
export { valueFromJson, valueToJson } from "./value.js";
export type { WatchOptions } from "./watch-job.js";
export type { WebSocketConstructor, WebSocketLike } from "./web-socket.js";
