/** A connection to a server that is made again whenever it is lost, for as long as the process runs. */
export interface Link<Connection> {
  /** Resolves once connected, or when it is clear that this takes longer: whoever starts goes on without. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** The connection as it is now; undefined while the server is away. */
  current(): Connection | undefined;
  /** Calls back with the connection there is, and each that is made from now on; returns what ends it. */
  follow(up: (connection: Connection) => void): () => void;
  /** What it leads to, in words; never with a password. */
  describe(): string;
}
