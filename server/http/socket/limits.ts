/** What one socket may take of the server, and why it is closed. */

/** Bytes of a frame. */
export const FRAME_BYTES = 65_536;

/** Pieces that a frame may come in, and pieces of the network's in which one of them may. */
export const FRAME_FRAGMENTS = 64;
export const FRAGMENT_CHUNKS = 1_024;

/** Frames a second, pings among them. */
export const FRAMES_PER_SECOND = 50;

/** Frames, and bytes of them, that wait for their answers before no more is read. */
export const WAITING_FRAMES = 64;
export const WAITING_BYTES = 262_144;

/** Bytes that wait to be sent: with the first number whoever can wait does, above the second the socket is closed. */
export const UNSENT_ENOUGH = 65_536;
export const UNSENT_BYTES = 1_048_576;

/** Bytes of what a path answers. */
export const ANSWER_BYTES = 1_048_576;

/** Subscriptions at once. */
export const SUBSCRIPTIONS = 16;

/** How long a peer has to say goodbye in turn, in milliseconds, and how long when the server stops. */
export const CLOSE_MS = 10_000;
export const DRAIN_CLOSE_MS = 1_000;

/** Codes a socket is closed with. */
export const GOING_AWAY = 1001;
export const BINARY = 1003;
export const TOO_MANY_FRAMES = 1008;
export const SLOW_READER = 1013;
export const SIGN_IN_OVER = 4401;
