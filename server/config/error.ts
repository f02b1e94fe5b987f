/** A configuration that cannot be used; its message is one line that names where and what. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}
