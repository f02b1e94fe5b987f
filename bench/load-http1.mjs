import { connect } from "node:net";

/** Callers over HTTP/1.1, one kept connection each; a request is its whole text. Node's own client would cost more than most servers here. */
export function connectHttp1(port, count) {
  return Promise.all(Array.from({ length: count }, () => caller(port)));
}

function caller(port) {
  return new Promise((opened, refused) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    let waiting;
    let seen = "";

    const end = (error) => {
      waiting?.reject(error);
      waiting = undefined;
    };
    socket.on("data", (chunk) => {
      seen += chunk.latin1Slice();
      const length = lengthOf(seen);
      if (length === undefined || seen.length < length) return;
      const answer = seen;
      seen = "";
      const { resolve, reject } = waiting;
      waiting = undefined;
      if (answer.startsWith("200", 9)) resolve();
      else reject(new Error(`the server answered: ${answer.slice(0, 600)}`));
    });
    socket.once("error", (error) => {
      refused(error);
      end(error);
    });
    socket.once("close", () => end(new Error("the server closed a connection")));

    const call = (request) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        socket.write(request, "latin1");
      });
    call.close = () => socket.destroy();
    socket.once("connect", () => opened(call));
  });
}

/** How long the answer will be, once its headers are there. */
function lengthOf(text) {
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const length = /\r\ncontent-length: (\d+)/i.exec(text)?.[1];
  if (length === undefined) throw new Error(`an answer without length: ${text.slice(0, end)}`);
  return end + 4 + Number(length);
}
