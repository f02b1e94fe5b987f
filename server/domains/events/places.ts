/** An account in a topic, by what is open on this node. */
export interface Place {
  readonly topic: string;
  readonly accountId: string;
  /** JSON, the newest that was given. */
  readonly data: string | undefined;
  /** Whether its coming was told, or need not be: it was there already. */
  readonly isTold: boolean;
  /** When it was first tried to write that somebody is there of whom nothing was told, by the database's clock. */
  readonly triedAt: string | undefined;
}

/** A place that the database does not have as it is: somebody is there, or nobody any more. */
export interface Change {
  readonly place: Place;
  readonly isHere: boolean;
}

/** Who is where on this node, and what of it is not written yet. It holds what is open, and what was until it is written. */
export interface Places {
  /** One more stream or socket; returns what ends that. */
  enter(topic: string, accountId: string, data?: object): () => void;
  hasChanges(): boolean;
  /** Takes changes to write, at most so many. */
  take(limit: number): Change[];
  /** Says that what was taken is going to be written, and when. */
  trying(changes: readonly Change[], at: string): void;
  /** Says that what was taken is written. */
  written(changes: readonly Change[]): void;
  /** Gives back what could not be written. */
  failed(changes: readonly Change[]): void;
  /** Says that the database has lost all of them; with `asNew`, that others were told so. */
  rewrite(options: { asNew: boolean }): void;
}

interface OwnPlace {
  topic: string;
  accountId: string;
  open: number;
  data: string | undefined;
  isTold: boolean;
  triedAt: string | undefined;
  /** Whether the database may have a row of it. */
  hasRow: boolean;
}

/** `onChange` is called when there is something to write. */
export function createPlaces(onChange: () => void): Places {
  const places = new Map<string, OwnPlace>();
  let changed = new Set<OwnPlace>();

  const change = (place: OwnPlace) => {
    changed.add(place);
    onChange();
  };

  const forget = (place: OwnPlace) => {
    changed.delete(place);
    places.delete(keyOf(place));
  };

  const leave = (place: OwnPlace) => {
    place.open--;
    if (place.open > 0) return;
    // Nobody was told of whoever was gone before he was written.
    if (place.hasRow) change(place);
    else forget(place);
  };

  return {
    enter(topic, accountId, data) {
      const key = keyOf({ topic, accountId });
      const place = places.get(key) ?? newPlace(topic, accountId);
      places.set(key, place);
      place.open++;
      if (data !== undefined) place.data = JSON.stringify(data);
      if (place.open === 1 || data !== undefined) change(place);
      let hasLeft = false;
      return () => {
        if (hasLeft) return;
        hasLeft = true;
        leave(place);
      };
    },

    hasChanges: () => changed.size > 0,

    take(limit) {
      const taken: Change[] = [];
      for (const place of changed) {
        if (taken.length === limit) break;
        changed.delete(place);
        place.hasRow = true;
        taken.push({ place, isHere: place.open > 0 });
      }
      return taken;
    },

    trying(changes, at) {
      for (const { place, isHere } of changes as { place: OwnPlace; isHere: boolean }[]) {
        if (isHere && !place.isTold) place.triedAt ??= at;
      }
    },

    written(changes) {
      for (const { place, isHere } of changes as { place: OwnPlace; isHere: boolean }[]) {
        place.isTold = isHere;
        place.triedAt = undefined;
        // Whoever came back meanwhile stands among the changes.
        if (!isHere && place.open === 0) forget(place);
      }
    },

    failed(changes) {
      // They are tried first again: of what was closed during an outage only these, and what had been written, are kept.
      changed = new Set([...changes.map(({ place }) => place as OwnPlace), ...changed]);
    },

    rewrite({ asNew }) {
      for (const place of places.values()) {
        if (asNew) {
          place.isTold = false;
          place.triedAt = undefined;
        }
        changed.add(place);
      }
    },
  };
}

function newPlace(topic: string, accountId: string): OwnPlace {
  return { topic, accountId, open: 0, data: undefined, isTold: false, triedAt: undefined, hasRow: false };
}

function keyOf({ topic, accountId }: { topic: string; accountId: string }): string {
  return `${accountId} ${topic}`;
}
