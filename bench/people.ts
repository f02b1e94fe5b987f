/** An account and a token of it. */
export interface Person {
  readonly id: string;
  readonly token: string;
}

/** Makes an account and signs it in, as any client does. */
export async function signUp(port: number, login: string): Promise<Person> {
  const secret = `secret-of-${login}`;
  await post(port, "/v1/accounts", { login, secret, name: login });
  const { account, tokens } = (await post(port, "/v1/auth/sign-in", { login, secret })) as {
    account: { id: string };
    tokens: { accessToken: string };
  };
  return { id: account.id, token: tokens.accessToken };
}

/** A call by REST. Throws what it answers when that is no success. */
export async function post(port: number, path: string, body: object, token?: string): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
  return JSON.parse(text);
}
