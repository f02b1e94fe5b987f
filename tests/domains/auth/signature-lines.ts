import { createHmac } from "node:crypto";

/** A request that is to be signed in one of the predecessor's forms. */
export interface FormToSign {
  login: string;
  secret: string;
  url: string;
  method?: string;
  /** Milliseconds since 1970; in a minute when absent. */
  expires?: number;
}

/** How a form is made, by the description of the predecessor and not by our own code. */
interface Form {
  hash: "sha1" | "sha256";
  /** The lines that keep it from being passed off as another. */
  named: boolean;
  /** Of a domain, and of no request. */
  wide: boolean;
}

const FORMS = {
  "1": { hash: "sha1", named: false, wide: false },
  "2": { hash: "sha256", named: true, wide: true },
  "3": { hash: "sha256", named: true, wide: true },
  "4": { hash: "sha256", named: true, wide: false },
  "0.9.3/2": { hash: "sha1", named: false, wide: true },
  "0.9.3/3": { hash: "sha256", named: false, wide: false },
} satisfies Record<string, Form>;

export type FormName = keyof typeof FORMS;

/** The signature of a request without a body, whose host is no more than one label or an address. */
export function signForm(form: FormName, request: FormToSign): string {
  const { login, secret, method = "GET", expires = Date.now() + 60_000 } = request;
  const version = form.split("/").at(-1)!;
  const { hash, named, wide } = FORMS[form];
  const url = new URL(request.url);
  const query = url.search.slice(1).split("&").filter(Boolean).sort().join("&");
  const host = url.hostname;
  const of = wide ? ["*", host, "/", "*", expires, "*", "*"] : [method, host, url.pathname, query, expires, "", ""];
  const lines = [...(named ? [version, "", login] : []), ...of];
  const digest = createHmac(hash, secret)
    .update(lines.map((line) => `${line}\n`).join(""))
    .digest("base64");
  return `${version}||${login}|${digest}|${expires}||`;
}
