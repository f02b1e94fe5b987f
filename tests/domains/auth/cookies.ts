import { connectJson, type Reply } from "../../support/http-request.js";

/** The value of the session cookie an answer gives. Fails when it gives none. */
export function givenCookie({ cookies }: Reply): string {
  const pair = cookies.map((cookie) => /^(backstay_dev|__Host-backstay)=(bs_ct_[\w-]{43});/.exec(cookie)).find(Boolean);
  if (!pair) throw new Error(`the answer gives no session cookie: ${cookies.join(", ")}`);
  return pair[2]!;
}

/** The header a browser sends with such a cookie on a plain connection that does not leave the machine. */
export function withCookie(value: string): Record<string, string> {
  return { cookie: `theme=dark; backstay_dev=${value}` };
}

/** How the server knows whoever sends these headers; the refusal's reason when it does not. */
export async function knownBy(url: string, headers: Record<string, string>): Promise<string> {
  const { status, json, reason } = await connectJson(url, "auth.v1.AuthService/GetCurrent", {}, headers);
  return status === 200 ? `${json.account.id} by ${json.via}` : String(reason);
}
