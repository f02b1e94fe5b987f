import type { Finding, Rule, SourceFile } from "./source.js";

/** A column that references accounts, or is called as one that names an account is. */
const ACCOUNT_COLUMN =
  /\breferences\(\s*\(\)\s*=>\s*accounts\.|\bid\(\s*"(?:\w+_)?(?:account|sender|recipient|actor|owner|peer|user|member)_id"/;
/** A row that the database deletes with its account. */
const GOES_WITH_IT = /\breferences\(\s*\(\)\s*=>\s*accounts\.id,\s*\{\s*onDelete:\s*"cascade"/;

const DOMAIN = /^server\/domains\/([^/]+)\//;

/** Each domain says how what it holds of an account is erased, and how it is exported; none forgets what its tables name. */
export const domainsEraseAndExport: Rule = (files) => {
  const domains = new Set(files.map(({ file }) => DOMAIN.exec(file)?.[1]).filter((domain) => domain !== undefined));
  return [...domains].flatMap((domain) => {
    const own = files.filter(({ file }) => file.startsWith(`server/domains/${domain}/`));
    return askManifest(`server/domains/${domain}/index.ts`, own);
  });
};

function askManifest(file: string, own: readonly SourceFile[]): Finding[] {
  const code = own.find((source) => source.file === file)?.code ?? "";
  // Of the schemas the names of columns count, which are literals.
  const schemas = own.filter((source) => /\/schema[^/]*\.ts$/.test(source.file)).map(({ text }) => text);
  const namesAccounts = schemas.some((text) => ACCOUNT_COLUMN.test(text));
  const findings: Finding[] = [];
  const find = (says: string) => findings.push({ file, says });
  for (const hook of ["erase", "export"]) {
    // reason: the name is one of the two above
    const said = new RegExp(`\\b${hook}\\s*:\\s*(\\w+)`).exec(code)?.[1];
    if (said === undefined) find(`says nothing of \`${hook}\`: what a domain holds of an account leaves with it`);
    else if (said === "holdsNothing" && namesAccounts) find(`holds nothing to ${hook}, and its schema names accounts`);
    else if (said === "goesWithAccount" && !schemas.some((text) => GOES_WITH_IT.test(text))) {
      find("goes with the account's row, and none of its tables does: reference accounts with onDelete cascade");
    }
  }
  return findings;
}
