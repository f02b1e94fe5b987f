import type { Reason } from "../../server/kernel/errors.js";
import { curl, operatorToken } from "../domains/support.js";
import type { TestBackstay } from "../support/backstay.js";
import { addIdentity, type People } from "./house.js";

/** A request for one RPC, and what it has to do with whose account it is about. */
export interface Asked {
  /** The least that is valid, about something of the owner's. */
  request: (people: People) => object | Promise<object>;
  /** It is about the caller himself, so the command line, which is no account, cannot ask. */
  self?: true;
  /** What somebody else is told; absent when it is nobody's, or anyone may. */
  others?: Reason;
  /** Whether administrators are told the same as anyone else. */
  privateToOwner?: true;
  /** What whoever may call is told, since the request could not succeed by itself; absent when it does. */
  says?: Reason;
  /** It changes what the next caller would meet: everybody is new for each. */
  spends?: true;
  /** What somebody else is answered, who may ask and has nothing there. */
  othersAnswer?: object;
}

let logins = 0;
const login = () => `authorised ${process.pid} ${logins++}`;
const none = () => ({});

/** The requests, by service and method. */
export function requestsTo(backstay: TestBackstay): Readonly<Record<string, Asked>> {
  const byOperator = <Answer>(path: string, body: object) =>
    curl<Answer>(backstay, path, body, operatorToken(backstay));
  const newJob = async () => {
    const { job } = await byOperator<{ job: { id: string } }>("jobs.v1.JobService/SubmitJob", { name: "app.touch" });
    return { id: job.id };
  };
  const queue = async () => {
    await newJob();
    return { name: "default" };
  };
  const messageTo = async ({ owner, other }: People) => {
    const path = "messages.v1.MessageService/SendMessage";
    const body = { recipientId: owner.id, text: "Hello" };
    const { message } = await curl<{ message: { id: string } }>(backstay, path, body, other.token);
    return { id: message.id };
  };
  const stranger = async () => ({ peerId: (await backstay.signUp()).id });
  const connectionOf = async ({ owner }: People) => {
    const connection = { ...(await stranger()), type: "like" };
    await curl(backstay, "connections.v1.ConnectionService/PutConnection", connection, owner.token);
    return connection;
  };
  const deviceOf = async ({ owner: { login, secret } }: People) => {
    const path = "auth.v1.AuthService/SignIn";
    const { deviceId } = await curl<{ deviceId: string }>(backstay, path, { login, secret });
    return { deviceId };
  };
  const keyOf = async ({ owner }: People) => {
    const path = "auth.v1.AuthService/CreateApiKey";
    const made = await curl<{ apiKey: { id: string } }>(backstay, path, { scopes: ["*"] }, owner.token);
    return { keyId: made.apiKey.id };
  };
  const cached = async () => {
    const entry = { cache: "default", key: "authorised" };
    await byOperator("cache.v1.CacheService/Put", { ...entry, value: 1 });
    return entry;
  };
  const topicOf = ({ owner }: People) => `account/${owner.id}`;

  return {
    "SystemService/Ping": { request: none },
    "SystemService/GetInfo": { request: none },
    "SystemService/GetKeyStatus": { request: none },

    "AccountService/CreateAccount": { request: () => ({ login: login(), secret: "long enough", name: "A" }) },
    "AccountService/GetAccount": { request: ({ owner }) => ({ id: owner.id }) },
    "AccountService/BatchGetAccounts": { request: ({ owner }) => ({ ids: [owner.id] }) },
    "AccountService/ListAccounts": { request: () => ({ pageSize: 1 }) },
    "AccountService/UpdateAccount": {
      request: ({ owner }) => ({ account: { id: owner.id, phone: "1" }, updateMask: "phone" }),
      others: "NOT_YOUR_ACCOUNT",
    },
    "AccountService/DeleteAccount": {
      request: ({ owner }) => ({ id: owner.id }),
      others: "NOT_YOUR_ACCOUNT",
      spends: true,
    },
    "AccountService/ExportAccount": { request: ({ owner }) => ({ id: owner.id }), others: "NOT_YOUR_ACCOUNT" },
    "AccountService/SetAccountStatus": {
      request: ({ owner }) => ({ id: owner.id, status: "ACCOUNT_STATUS_BANNED" }),
      spends: true,
    },

    "AuthService/SignIn": { request: ({ owner: { login, secret } }) => ({ login, secret }) },
    "AuthService/Refresh": { request: () => ({ refreshToken: "bs_rt_unknown" }), says: "INVALID_TOKEN" },
    "AuthService/StartSession": { request: none, self: true },
    "AuthService/ChangeSecret": {
      request: () => ({ old: "wrong", new: "long enough" }),
      self: true,
      says: "WRONG_SECRET",
    },
    "AuthService/SignOut": { request: none, self: true, spends: true },
    "AuthService/GetCurrent": { request: none, self: true },
    "AuthService/CompleteSetup": {
      request: () => ({ setupToken: "bs_st_unknown", login: login(), secret: "long enough", name: "A" }),
      says: "INVALID_TOKEN",
    },
    "AuthService/ListDevices": { request: none, self: true },
    "AuthService/RevokeDevice": { request: deviceOf, self: true, others: "DEVICE_NOT_FOUND", privateToOwner: true },
    "AuthService/RevokeOtherDevices": { request: none, self: true, spends: true },
    "AuthService/CreateApiKey": {
      request: ({ owner }) => ({ scopes: ["*"], accountId: owner.id }),
      others: "ADMIN_REQUIRED",
    },
    "AuthService/ListApiKeys": { request: ({ owner }) => ({ accountId: owner.id }), others: "ADMIN_REQUIRED" },
    "AuthService/RevokeApiKey": { request: keyOf, others: "API_KEY_NOT_FOUND" },
    "AuthService/RequestSecretReset": { request: () => ({ login: login() }) },
    "AuthService/ResetSecret": {
      request: ({ owner }) => ({ login: owner.login, code: "12345678", secret: "long enough" }),
      says: "INVALID_CODE",
    },
    "AuthService/RequestVerification": { request: none, self: true, says: "EMAIL_MISSING" },
    "AuthService/Verify": { request: () => ({ email: "nobody@example.org", code: "12345678" }), says: "INVALID_CODE" },
    "AuthService/EnrollTotp": { request: none, self: true },
    "AuthService/ConfirmTotp": { request: () => ({ code: "123456" }), self: true, says: "TOTP_OFF", spends: true },
    "AuthService/DisableTotp": {
      request: ({ owner }) => ({ accountId: owner.id, code: "123456" }),
      others: "ADMIN_REQUIRED",
      says: "TOTP_OFF",
    },
    "AuthService/RegenerateRecoveryCodes": { request: () => ({ code: "123456" }), self: true, says: "TOTP_OFF" },
    "AuthService/BeginRegistration": { request: none, self: true, says: "PUBLIC_URL_MISSING" },
    "AuthService/FinishRegistration": {
      request: () => ({ challengeId: "nothing", credential: {} }),
      self: true,
      says: "PUBLIC_URL_MISSING",
    },
    "AuthService/BeginSignIn": { request: none, says: "PUBLIC_URL_MISSING" },
    "AuthService/FinishSignIn": {
      request: () => ({ challengeId: "nothing", credential: {} }),
      says: "PUBLIC_URL_MISSING",
    },
    "AuthService/ListPasskeys": { request: none, self: true },
    "AuthService/DeletePasskey": {
      request: async ({ owner }) => ({ id: await addIdentity(backstay, owner, "passkey") }),
      self: true,
      others: "PASSKEY_NOT_FOUND",
      privateToOwner: true,
    },
    "AuthService/SignInAnonymously": { request: none },
    "AuthService/UpgradeAnonymous": {
      request: () => ({ login: login(), secret: "long enough" }),
      self: true,
      says: "LOGIN_PRESENT",
    },
    "AuthService/StartOAuth": { request: () => ({ provider: "nobody" }), says: "PROVIDER_NOT_FOUND" },
    "AuthService/FinishOAuth": {
      request: () => ({ provider: "nobody", code: "x", state: "y" }),
      says: "CHALLENGE_GONE",
    },
    "AuthService/ListIdentities": { request: none, self: true },
    "AuthService/LinkIdentity": {
      request: () => ({ provider: "nobody", code: "x", state: "y" }),
      self: true,
      says: "CHALLENGE_GONE",
    },
    "AuthService/UnlinkIdentity": {
      request: async ({ owner }) => ({ id: await addIdentity(backstay, owner, "oidc") }),
      self: true,
      others: "IDENTITY_NOT_FOUND",
      privateToOwner: true,
    },
    "AuthService/GrantRole": { request: ({ owner }) => ({ id: owner.id, role: "support" }) },
    "AuthService/RevokeRole": { request: ({ owner }) => ({ id: owner.id, role: "support" }) },
    "AuthService/ListAuditEvents": { request: none },
    "AuthService/VerifyAuditLog": { request: none },

    "CacheService/GetStats": { request: none },
    "CacheService/ListKeys": { request: () => ({ cache: "default" }) },
    "CacheService/Get": { request: cached },
    "CacheService/Put": { request: () => ({ cache: "default", key: "authorised", value: 1 }) },
    "CacheService/Delete": { request: cached },
    "CacheService/Increment": { request: cached },
    "CacheService/Clear": { request: () => ({ cache: "default" }) },

    "ConnectionService/PutConnection": { request: async () => ({ ...(await stranger()), type: "like" }), self: true },
    "ConnectionService/UpdateConnection": {
      request: async (people) => ({ connection: { ...(await connectionOf(people)), properties: { a: 1 } } }),
      self: true,
      others: "CONNECTION_NOT_FOUND",
      privateToOwner: true,
    },
    "ConnectionService/DeleteConnections": { request: connectionOf, self: true, othersAnswer: {} },
    "ConnectionService/ListConnections": { request: none, self: true },
    "ConnectionService/ListReferences": { request: none, self: true, othersAnswer: {} },
    "ConnectionService/ListMutual": { request: connectionOf, self: true, othersAnswer: {} },
    "ConnectionService/Block": { request: stranger, self: true },
    "ConnectionService/Unblock": { request: stranger, self: true },
    "ConnectionService/ListBlocked": { request: none, self: true },

    "CounterService/GetCounters": {
      request: ({ owner }) => ({ accountId: owner.id }),
      othersAnswer: { counters: { ping: "0" } },
    },
    "CounterService/PutCounters": { request: () => ({ counters: { ping: 7 } }), self: true },
    "CounterService/IncrementCounters": { request: ({ owner }) => ({ accountId: owner.id, deltas: { ping: 1 } }) },

    "EventService/Subscribe": { request: (people) => ({ topics: [topicOf(people)] }), others: "TOPIC_FORBIDDEN" },
    "EventService/Poll": {
      request: (people) => ({ topics: [topicOf(people)], wait: "0.05s" }),
      others: "TOPIC_FORBIDDEN",
    },
    "EventService/Publish": {
      request: (people) => ({ topic: topicOf(people), type: "diary.entry", data: {} }),
      others: "TOPIC_FORBIDDEN",
    },
    "EventService/ListPresence": { request: ({ owner }) => ({ accountIds: [owner.id] }) },

    "HistoryService/AppendHistory": { request: () => ({ type: "entry", data: "anything" }), self: true },
    "HistoryService/ListHistory": { request: none, self: true },

    "JobService/SubmitJob": { request: () => ({ name: "app.touch" }) },
    "JobService/SubmitJobs": { request: () => ({ jobs: [{ name: "app.touch" }] }) },
    "JobService/GetJob": { request: newJob },
    "JobService/ListJobs": { request: none },
    "JobService/RetryJob": { request: newJob },
    "JobService/CancelJob": { request: newJob },
    "JobService/PurgeJobs": { request: () => ({ state: "JOB_STATE_DEAD" }) },
    "JobService/WatchJob": { request: newJob },
    "JobService/ListQueues": { request: none },
    "JobService/PauseQueue": { request: queue },
    "JobService/ResumeQueue": { request: queue },
    "JobService/ListCrons": { request: none },
    "JobService/RunCron": { request: () => ({ id: "app.nightly" }) },
    "JobService/PauseCron": { request: () => ({ id: "app.nightly" }) },
    "JobService/ResumeCron": { request: () => ({ id: "app.nightly" }) },

    "MessageService/SendMessage": {
      request: async () => {
        const { id } = await backstay.signUp();
        return { recipientId: id, text: "Hello" };
      },
      self: true,
    },
    "MessageService/ListMessages": { request: none, self: true },
    "MessageService/ListUnread": { request: none, self: true },
    "MessageService/MarkRead": {
      request: messageTo,
      self: true,
      others: "MESSAGE_NOT_FOUND",
      privateToOwner: true,
    },
    "MessageService/DeleteMessages": { request: messageTo, self: true, othersAnswer: {} },
  };
}
