/** Times of the last so many keys that were noted; the one that was noted longest ago is forgotten first. */
export class Recent {
  readonly #times = new Map<string, number>();

  constructor(private readonly most: number) {}

  note(key: string, time: number): void {
    this.#times.delete(key);
    this.#times.set(key, time);
    if (this.#times.size <= this.most) return;
    const [oldest] = this.#times.keys();
    this.#times.delete(oldest!);
  }

  forget(key: string): void {
    this.#times.delete(key);
  }

  /** The time that was noted last; minus infinity when there is none. */
  timeOf(key: string): number {
    return this.#times.get(key) ?? Number.NEGATIVE_INFINITY;
  }
}
