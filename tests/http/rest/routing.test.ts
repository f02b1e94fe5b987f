import { expect, test } from "vitest";
import { rpc } from "./conformance.js";
import { libraryDoor } from "./library-server.js";

function doorFor(...lines: string[]) {
  const door = libraryDoor(Object.fromEntries(lines.map((line, index) => [`Rpc${index}`, rpc(line, "Probe")])));
  return (request: string) => {
    const [method = "", path = ""] = request.split(" ");
    const match = door.match(method, path);
    if (match === undefined || "allow" in match) return match?.allow.join(", ");
    const { name } = match.binding.method;
    return lines[Number(name.slice(name.lastIndexOf("Rpc") + 3))];
  };
}

test("HEAD goes to GET unless it is bound itself, and a method of its own goes before *", () => {
  const route = doorFor("get /a", "get /b", "HEAD /b", "* /c", "get /c");
  expect(route("HEAD /a")).toBe("get /a");
  expect(route("HEAD /b")).toBe("HEAD /b");
  expect(route("HEAD /c")).toBe("get /c");
  expect(route("GET /c")).toBe("get /c");
});

test("a better path of another method does not hide the one that fits", () => {
  const route = doorFor("get /v1/books/new", "delete /v1/books/{id}");
  expect(route("DELETE /v1/books/new")).toBe("delete /v1/books/{id}");
  expect(route("PUT /v1/books/new")).toBe("DELETE, GET, HEAD");
});

test.each(["/v1/books/", "/v1//1", "/v1/books/1/", "//v1/books", "/", "", "*", "v1/books"])(
  "the path '%s' is unknown",
  (path) => {
    const route = doorFor("get /v1/books", "get /v1/books/{id}", "get /v1/{id}/1");
    expect(route(`GET ${path}`)).toBeUndefined();
  },
);

test("a look-up asks as often in a thousand bindings as in ten", () => {
  const looksAt = (count: number) => {
    const route = doorFor(...Array.from({ length: count }, (_, n) => `get /v1/kind${n}/{id}/parts/{left}`));
    return looks(() => expect(route("GET /v1/kind7/a/parts/b")).toBe("get /v1/kind7/{id}/parts/{left}"));
  };
  expect(looksAt(1_000)).toBe(looksAt(10));
});

test("a look-up visits no more places than the templates have, however long the path", () => {
  const route = doorFor("get /a/a/a", "get /{id}/a/{left}", "get /a/{id}/{left}", "get /{id=**}:do");
  expect(looks(() => route(`GET /${"a/".repeat(10_000)}b`))).toBeLessThan(50);
});

/** How often any map is asked meanwhile. */
function looks(work: () => void): number {
  const { get } = Map.prototype;
  let count = 0;
  Map.prototype.get = function (key) {
    count += 1;
    return get.call(this, key);
  };
  try {
    work();
  } finally {
    Map.prototype.get = get;
  }
  return count;
}
