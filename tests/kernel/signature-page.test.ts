import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { checkHttpBody, checkHttpTime, isMadeWith, readHttpSignature } from "../../server/kernel/http-signature.js";
import { signatureBase, sortedByName } from "../../server/kernel/http-signature-base.js";
import { canonicalString, checkBody, isSignedWith, parseSignature } from "../../server/kernel/signature.js";

const page = readFileSync(new URL("../../docs/signatures.md", import.meta.url), "utf8");

/** What the page says is signed, and the request that follows it. */
const examples = [...page.matchAll(/```text\n(.*?)```[^`]*```http (\w+)\n(.*?)\n```/gs)].map(
  ([, text = "", kind = "", sent = ""]) => {
    const [head = "", body = ""] = sent.split("\n\n");
    const [first = "", ...lines] = head.split("\n");
    const [method = "", target = ""] = first.split(" ");
    const [path = "", query = ""] = target.split("?");
    const headers = Object.fromEntries(lines.map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string]));
    return { kind, text, method, path, query, headers, body };
  },
);
const word = (before: RegExp) => before.exec(page)![1]!;

describe("the examples of docs/signatures.md", () => {
  it("are two for each way", () => {
    expect(examples.map(({ kind }) => kind)).toEqual(["key", "key", "login", "login"]);
  });

  const byKey = examples.filter(({ kind }) => kind === "key");
  it.each(byKey)("with a key: $method $path?$query is signed as it says", ({ text, body, headers, ...request }) => {
    const signature = readHttpSignature({ ...request, headers, authority: headers.host! });
    const sorted = { ...signature.request, query: sortedByName(request.query) };
    expect(`${signatureBase(sorted, signature.components, signature.text)}\n`).toBe(text);
    checkHttpTime(signature, signature.created * 1000);
    checkHttpBody(signature, Buffer.from(body));
    expect(signature.keyId).toBe(word(/of the id `(\w+)`/));
    expect(isMadeWith(word(/With the key `(bs_ak_[\w-]+)`/), signature)).toBe(true);
  });

  const byLogin = examples.filter(({ kind }) => kind === "login");
  it.each(byLogin)(
    "with a secret: $method $path?$query is signed as it says",
    ({ text, body, headers, ...request }) => {
      const signature = parseSignature(headers["bk-signature"]!, "header");
      const signed = { ...request, host: headers.host!, contentType: headers["content-type"] ?? "" };
      expect(canonicalString(signature, signed, Buffer.of())).toBe(text);
      checkBody(signature, Buffer.from(body));
      expect(signature.login).toBe(word(/With the login `([^`]+)`/));
      expect(isSignedWith(word(/and the secret `([^`]+)`/), signature, signed, Buffer.of())).toBe(true);
    },
  );
});
