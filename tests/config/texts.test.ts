import { expect, it } from "vitest";
import { ConfigError, readConfig, type SettingName } from "../../server/config.js";

/** What a setting is when a flag says so; the complaint when it may not be that. */
function read(name: SettingName, text: string): unknown {
  try {
    return readConfig({ flags: { [name]: text }, env: {}, cwd: "/nowhere", development: false })[name];
  } catch (error) {
    if (error instanceof ConfigError) return { refused: error.message };
    throw error;
  }
}

it.each([
  "no-reply@example.com",
  "<no-reply@example.com>",
  "Backstay <no-reply@localhost>",
  "Größe & Co. (Post) <post@größe.example>",
  '"Harbour, Inc." <post@harbour.example>',
  String.raw`"The \"Harbour\"" <post@harbour.example>`,
])("mail.from is one sender: %s", (text) => {
  expect(read("mail.from", text)).toBe(text);
});

it.each([" no-reply@example.com", "no-reply@example.com ", " Backstay <no-reply@example.com> \n"])(
  "mail.from has no blanks at its ends: %j",
  (text) => {
    expect(read("mail.from", text)).toBe(text.trim());
  },
);

it.each([
  "",
  "no address at all",
  "Backstay",
  "Backstay <>",
  "Backstay <no-reply>",
  "Backstay <a@b.example> more",
  "Backstay <a@b.example, c@d.example>",
  "a@b.example, c@d.example",
  "Harbour, Inc. <post@harbour.example>",
  "a@b.example <c@d.example>",
  "Group: a@b.example;",
  "A <a@b.example>\r\nBcc: x@y.z",
  "A\u0000 <a@b.example>",
  "A\u2028B <a@b.example>",
  `${"a".repeat(320)}@b.example`,
])("mail.from is not %j", (text) => {
  expect(read("mail.from", text)).toEqual({
    refused: "--mail-from: mail.from must be one address, such as no-reply@example.com or Name <no-reply@example.com>",
  });
});

it("app.name is one line that shows something", () => {
  expect(read("app.name", "Größe & Co.")).toBe("Größe & Co.");
  const refused = "--app-name: app.name must be one line of 1 to 64 characters";
  for (const text of ["", " ", "Harbour\nBcc: x@y.z", "Harbour\u001b[31m", "a".repeat(65)]) {
    expect(read("app.name", text)).toEqual({ refused });
  }
});

it.each([
  "",
  "https://app.example.com",
  "https://app.example.com, http://localhost:5173",
  "http://[::1]:5173",
  "capacitor://localhost",
  "chrome-extension://abcdefghijklmnop",
])("cors.origins are origins: %j", (text) => {
  expect(read("cors.origins", text)).toBe(text);
});

it.each([
  "*",
  "https://*.example.com",
  "https://*",
  "null",
  "app.example.com",
  "https://app.example.com/",
  "https://App.example.com",
  "https://a:443",
  "no one",
])("cors.origins are nothing that no page calls itself: %s", (text) => {
  const refused = `--cors-origins: cors.origins must be origins such as https://app.example.com by comma: ${text} is none`;
  expect(read("cors.origins", `https://app.example.com, ${text}`)).toEqual({ refused });
});

it("public_url is an origin that a request can come to", () => {
  expect(read("public_url", "https://api.example.com")).toBe("https://api.example.com");
  const refused = "--public-url: public_url must be an origin such as https://api.example.com, without a path";
  for (const text of ["https://*.example.com", "https://api.example.com/"]) {
    expect(read("public_url", text)).toEqual({ refused });
  }
});
