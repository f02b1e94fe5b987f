import { BackstayError, errorFromStatus } from "./backstay-error.js";
import { randomKey } from "./random-key.js";
import { type Frame, isRefusal } from "./socket-line.js";
import { notAPath } from "./web-socket.js";

/** What waits at most for the socket to open. The server takes 50 frames a second. */
const MOST_WAITING = 32;
const LARGEST_FRAME_BYTES = 65_536;

/** The settling of a promise of an answer. */
export interface Settle {
  resolve(answer: Frame): void;
  reject(error: BackstayError): void;
}

interface Letter {
  text: string;
  /** By which its answer is known: the id of an object, or the path of a URL, whose answers come in order. */
  id: string | undefined;
  path: string | undefined;
  /** Undefined when whoever sent it wants no answer, or no longer. */
  settle: Settle | undefined;
}

/** What goes out by one socket after the other, and which of the answers belongs to what. */
export interface SocketMail {
  /** Sends now, or when the socket is open. Throws when too much waits, or the message is too large. */
  post(message: string | object, settle?: Settle): void;
  /** Nobody waits for this answer any more; what was not sent yet is not. */
  forget(settle: Settle): void;
  /** A socket is open: what waits goes out. */
  opened(send: (text: string) => void): void;
  /** Takes a frame; false when it answers nothing that anybody waits for. */
  deliver(frame: Frame): boolean;
  /** The socket is gone, and with it the answers to what was sent; when there is no next, what is `unsent` as well. */
  lost(error: BackstayError, unsent?: boolean): void;
}

/** Makes one. */
export function createSocketMail(): SocketMail {
  let waiting: Letter[] = [];
  let unanswered: Letter[] = [];
  let send: ((text: string) => void) | undefined;

  function dispatch(letter: Letter) {
    send?.(letter.text);
    if (letter.path ?? letter.id) unanswered.push(letter);
  }
  return {
    post(message, settle) {
      const letter = write(message, settle);
      if (send) return dispatch(letter);
      if (waiting.length >= MOST_WAITING) throw backlog();
      waiting.push(letter);
    },
    forget(settle) {
      waiting = waiting.filter((letter) => letter.settle !== settle);
      const sent = unanswered.find((letter) => letter.settle === settle);
      // The answer still comes, and must not be taken for that to the next question.
      if (sent) sent.settle = undefined;
    },
    opened(by) {
      send = by;
      for (const letter of waiting.splice(0)) dispatch(letter);
    },
    deliver(frame) {
      const at = unanswered.findIndex(({ id, path }) =>
        id === undefined ? path === frame.op && "status" in frame : id === frame.id,
      );
      const [letter] = unanswered.splice(at, at < 0 ? 0 : 1);
      // A handler may answer with a status that means something else; that of a path is of HTTP.
      const refused = letter?.path === undefined ? isRefusal(frame) : Number(frame.status) >= 400;
      if (refused) letter?.settle?.reject(errorFromStatus(frame));
      else letter?.settle?.resolve(frame);
      return letter?.settle !== undefined;
    },
    lost(error, unsent = false) {
      send = undefined;
      const lost = unsent ? [...unanswered, ...waiting.splice(0)] : unanswered;
      unanswered = [];
      for (const { settle } of lost) settle?.reject(error);
    },
  };
}

function write(message: string | object, settle: Settle | undefined): Letter {
  let letter: Letter;
  if (typeof message === "string") {
    if (!message.startsWith("/")) throw notAPath(message);
    // As a browser writes it in a URL, which is how the answer names it.
    const text = message.replace(/[^\x21-\x7e]+/g, encodeURIComponent);
    letter = { text, id: undefined, path: text.split("?")[0], settle };
  } else {
    const given = (message as Frame).id;
    const id = settle && (typeof given === "string" ? given : randomKey());
    letter = { text: JSON.stringify(id === undefined ? message : { ...message, id }), id, path: undefined, settle };
  }
  if (new TextEncoder().encode(letter.text).length > LARGEST_FRAME_BYTES) throw tooLarge();
  return letter;
}

function backlog(): BackstayError {
  return new BackstayError(`${MOST_WAITING} messages wait for the socket to open`, {
    code: "resource_exhausted",
    reason: "SEND_BACKLOG",
  });
}

function tooLarge(): BackstayError {
  return new BackstayError("a message may have 64 KiB", { code: "resource_exhausted", reason: "MESSAGE_TOO_LARGE" });
}
