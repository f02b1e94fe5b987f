import { expect, test } from "vitest";
import { libraryDoor } from "./library-server.js";

function doorFor(...lines: string[]) {
  const rpcs = lines.map((line, index) => {
    const [kind = "", path = ""] = line.split(" ");
    return [
      `Rpc${index}`,
      { input: "Probe", rule: { pattern: { case: "custom" as const, value: { kind, path } } } },
    ] as const;
  });
  const door = libraryDoor(Object.fromEntries(rpcs));
  return (request: string) => {
    const [method = "", path = ""] = request.split(" ");
    const match = door.match(method, path);
    if (match === undefined || "allow" in match) return match?.allow.join(", ");
    const { name } = match.binding.method;
    return lines[Number(name.slice(name.lastIndexOf("Rpc") + 3))];
  };
}

test("a literal beats *, which beats **, and the search goes back when the better one leads nowhere", () => {
  const route = doorFor(
    "GET /foo/bar/baz/buzz",
    "GET /foo/bar/{left}",
    "GET /foo/bar/{left}/{right}",
    "GET /foo/bar/{left}/buzz",
    "GET /foo/{id=**}",
    "GET /foo/bar/*/{book.name}/{id=**}",
  );
  expect(route("GET /foo/bar/baz/buzz")).toBe("GET /foo/bar/baz/buzz");
  expect(route("GET /foo/bar/baz")).toBe("GET /foo/bar/{left}");
  expect(route("GET /foo/bar/x/buzz")).toBe("GET /foo/bar/{left}/buzz");
  expect(route("GET /foo/bar/baz/other")).toBe("GET /foo/bar/{left}/{right}");
  expect(route("GET /foo/bar/baz/123/buzz")).toBe("GET /foo/bar/*/{book.name}/{id=**}");
  expect(route("GET /foo/x/y/z")).toBe("GET /foo/{id=**}");
});

test("a better path of another method does not hide the one that fits", () => {
  const route = doorFor("GET /v1/books/new", "DELETE /v1/books/{id}");
  expect(route("DELETE /v1/books/new")).toBe("DELETE /v1/books/{id}");
  expect(route("PUT /v1/books/new")).toBe("DELETE, GET, HEAD");
});

test("a path of other methods names them, and an unknown path has none", () => {
  const route = doorFor("GET /v1/books", "POST /v1/books");
  expect(route("DELETE /v1/books")).toBe("GET, HEAD, POST");
  expect(route("GET /v1/authors")).toBeUndefined();
});

test("HEAD goes to GET unless it is bound itself, and * is any method", () => {
  const route = doorFor("GET /a", "GET /b", "HEAD /b", "* /c", "GET /c");
  expect(route("HEAD /a")).toBe("GET /a");
  expect(route("HEAD /b")).toBe("HEAD /b");
  expect(route("PROPFIND /c")).toBe("* /c");
  expect(route("GET /c")).toBe("GET /c");
});

test("a verb is part of the path: another, an empty or an unexpected one is unknown", () => {
  const route = doorFor("GET /v1/{id=**}:do", "POST /v1/books:move", "GET /v1/books/{id}");
  expect(route("GET /v1/x/1:do")).toBe("GET /v1/{id=**}:do");
  expect(route("POST /v1/books:move")).toBe("POST /v1/books:move");
  expect(route("GET /v1/x:other")).toBeUndefined();
  expect(route("GET /v1/x:")).toBeUndefined();
  expect(route("GET /v1/books/1:other")).toBeUndefined();
  expect(route("GET /v1/books/a%3Ado")).toBe("GET /v1/books/{id}");
});

test("** takes an empty segment, but not the lack of one", () => {
  const route = doorFor("GET /trailing/**:slash");
  expect(route("GET /trailing/:slash")).toBe("GET /trailing/**:slash");
  expect(route("GET /trailing/a/b:slash")).toBe("GET /trailing/**:slash");
  expect(route("GET /trailing:slash")).toBeUndefined();
});

test.each(["/v1/books/", "/v1//1", "/v1/books/1/", "//v1/books", "/", "", "*", "v1/books"])(
  "the path '%s' is unknown",
  (path) => {
    const route = doorFor("GET /v1/books", "GET /v1/books/{id}", "GET /v1/{id}/1");
    expect(route(`GET ${path}`)).toBeUndefined();
  },
);
