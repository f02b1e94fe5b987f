/** A mail of the development inbox. */
export interface InboxMail {
  /** When it was sent, in ISO 8601. */
  readonly at: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

const STYLE = `:root { color-scheme: light dark; --ink: light-dark(#1c2430, #e6e9ee); --quiet: light-dark(#5a6675, #9aa5b4); --paper: light-dark(#fbfbf9, #14181e); --line: light-dark(#dcdfe3, #2b323c); }
  body { margin: 0 auto; max-width: 46rem; padding: 3rem 1.25rem; font: 1rem/1.6 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
  h1 { font-size: 1.75rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 0; }
  p { margin: .25rem 0; } .quiet { color: var(--quiet); }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: .9rem 1rem; border: 1px solid var(--line); border-radius: .5rem; font: .875rem/1.5 ui-monospace, monospace; }`;

/** The page of the development inbox. What mails say is text in it, whatever it looks like. */
export function inboxPage(mails: readonly InboxMail[]): string {
  const listed = mails.length === 0 ? '<p class="quiet">No mail yet.</p>' : mails.map(article).join("\n");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>Inbox · Backstay</title>
<link rel="icon" href="data:,">
<style>
  ${STYLE}
</style>
<main>
  <h1>Inbox</h1>
  <p class="quiet">Mails that this server would have sent, newest first. They are kept until it starts again; with <code>mail.smtp_url</code> they are sent instead.</p>
${listed}
</main>
</html>
`;
}

function article({ at, to, subject, text }: InboxMail): string {
  return `<article>
  <h2>${escaped(subject)}</h2>
  <p class="quiet">to ${escaped(to)} at <time>${escaped(at)}</time></p>
  <pre>${escaped(text)}</pre>
</article>`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character]!);
}
