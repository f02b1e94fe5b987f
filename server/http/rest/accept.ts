/** The forms in which a stream of messages is answered. */
export type StreamForm = "lines" | "events" | "array";

/** A map, since a caller may name what every object has, such as `constructor`. */
const FORMS: ReadonlyMap<string, StreamForm> = new Map([
  ["application/x-ndjson", "lines"],
  ["text/event-stream", "events"],
  ["application/json", "array"],
]);

/** The form a caller likes best; an array for who names none of ours. */
export function streamForm(accept: string | undefined): StreamForm {
  let best: StreamForm = "array";
  let weight = 0;
  for (const [type, quality] of weighted(accept)) {
    const form = FORMS.get(type);
    if (form === undefined || quality <= weight) continue;
    best = form;
    weight = quality;
  }
  return best;
}

/** Whether a caller would rather have gzip than nothing. */
export function likesGzip(acceptEncoding: string | undefined): boolean {
  const list = weighted(acceptEncoding);
  const gzip = list.get("gzip") ?? list.get("*") ?? 0;
  return gzip > 0 && gzip >= (list.get("identity") ?? 0);
}

/** The items of a header such as `gzip, br;q=0.5` with their weights. */
function weighted(header: string | undefined): Map<string, number> {
  const list = new Map<string, number>();
  for (const item of header?.split(",") ?? []) {
    const [name = "", ...parameters] = item.split(";").map((part) => part.trim().toLowerCase());
    const quality = parameters.find((parameter) => parameter.startsWith("q="));
    const weight = quality === undefined ? 1 : Number(quality.slice(2));
    list.set(name, Number.isNaN(weight) ? 0 : weight);
  }
  return list;
}
