import { connect, constants } from "node:http2";

const STREAMS = 4;
const EMPTY_MESSAGE = Buffer.alloc(5);

/** Callers over gRPC, four on each HTTP/2 session; a request is the path and headers of a call with an empty message. */
export async function connectGrpc(port, count) {
  const callers = [];
  while (callers.length < count) {
    const session = connect(`http://127.0.0.1:${port}`);
    await new Promise((resolve, reject) => session.once("connect", resolve).once("error", reject));
    session.on("error", () => {});
    for (let n = 0; n < STREAMS; n++) callers.push(caller(session));
  }
  return callers;
}

function caller(session) {
  const call = ({ path, headers }) =>
    new Promise((resolve, reject) => {
      const stream = session.request({
        [constants.HTTP2_HEADER_METHOD]: "POST",
        [constants.HTTP2_HEADER_PATH]: path,
        [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc",
        te: "trailers",
        ...headers,
      });
      let status;
      const note = (fields) => {
        status = fields["grpc-status"] ?? status;
      };
      stream.on("response", note);
      stream.on("trailers", note);
      stream.on("error", reject);
      stream.on("end", () => (status === "0" ? resolve() : reject(new Error(`grpc-status ${status}`))));
      stream.resume();
      stream.end(EMPTY_MESSAGE);
    });
  call.close = () => session.destroy();
  return call;
}
