declare module "vitest" {
  interface ProvidedContext {
    /** The admin url of the private PostgreSQL 18 of this run. */
    postgres18: string;
    /** The name of a migrated database to copy. */
    template: string;
  }
}

export {};
