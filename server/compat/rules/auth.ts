import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { type CompatRule, compatRule } from "../rule.js";
import { accountRecord } from "./accounts.js";

export const authRules: readonly CompatRule[] = [
  compatRule("/login", AuthService.method.signIn, {
    secrets: ["secret", "otp"],
    untypedForm: true,
    ask: (given) => ({
      login: given.text("login"),
      secret: given.text("secret"),
      otp: given.text("otp"),
      cookie: given.yes("_session"),
    }),
    reply: ({ account }) => accountRecord(account),
  }),

  compatRule("/auth", AuthService.method.getCurrent, {
    sessions: true,
    ask: () => ({}),
    reply: ({ account }) => accountRecord(account),
  }),

  compatRule("/logout", AuthService.method.signOut, {
    stranger: {},
    ask: () => ({}),
    reply: () => ({}),
  }),
];
