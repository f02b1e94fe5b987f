import { call } from "../support/backstay.js";

/** An account and a token of it, as any client has them. */
export interface Person {
  id: string;
  token: string;
}

export interface Message {
  id: string;
  text: string;
  senderId: string;
}

/** Makes an account and signs in with it. */
export async function signUp(url: string, login: string): Promise<Person> {
  const secret = `secret of ${login}`;
  const made = await call(url, "accounts.v1.AccountService/CreateAccount", { login, secret, name: login });
  if (made.status !== 200) throw new Error(`no account for ${login}: ${JSON.stringify(made.json)}`);
  const { json } = await call(url, "auth.v1.AuthService/SignIn", { login, secret });
  const { account, tokens } = json as { account: { id: string }; tokens: { accessToken: string } };
  return { id: account.id, token: tokens.accessToken };
}

/** Sends a message; the same key is the same message, however often it is sent. */
export async function send(
  url: string,
  from: Person,
  to: Person,
  message: { text: string; key: string },
): Promise<{ status: number; id: string; reason: string }> {
  const headers = { authorization: `Bearer ${from.token}`, "idempotency-key": message.key };
  const body = { recipientId: to.id, text: message.text };
  const { status, json } = await call(url, "messages.v1.MessageService/SendMessage", body, headers);
  const { message: sent, code } = json as { message?: Message; code?: string };
  return { status, id: sent?.id ?? "", reason: code ?? "" };
}

/** All messages of a person in the order of their arrival, page by page. */
export async function listAll(url: string, person: Person): Promise<Message[]> {
  const all: Message[] = [];
  let pageToken = "";
  do {
    const { status, json } = await call(
      url,
      "messages.v1.MessageService/ListMessages",
      { pageSize: 137, pageToken },
      { authorization: `Bearer ${person.token}` },
    );
    if (status !== 200) throw new Error(`no list: ${JSON.stringify(json)}`);
    const page = json as { messages?: Message[]; nextPageToken?: string };
    all.push(...(page.messages ?? []));
    pageToken = page.nextPageToken ?? "";
  } while (pageToken !== "");
  return all;
}
