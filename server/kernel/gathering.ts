/** Does things together when many come at once. */
export interface Gathering<Input, Output> {
  /**
   * Does it by `alone` while few are under way. Who comes then waits until one of those is done, and goes together with all who wait
   * by then: nobody waits for a timer, and for none who stands still for longer than `patienceMs`.
   */
  run(input: Input, alone: () => Promise<Output>): Promise<Output>;
}

export interface GatheringOptions<Input, Output> {
  /** So many are under way at once, each alone or several together. */
  readonly abreast: number;
  /** As many go together, at most. */
  readonly most: number;
  /** Who is under way for longer, as when he waits for a lock that somebody holds, keeps nobody waiting any more. */
  readonly patienceMs: number;
  /** What an input is about: two of the same never go together. */
  readonly about: (input: Input) => string;
  /** Does several, and answers in their order. What it leaves out is done alone; all is where it fails, so that each fails for itself. */
  readonly together: (inputs: readonly Input[]) => Promise<readonly (Output | undefined)[]>;
}

interface Waiting<Input, Output> {
  readonly input: Input;
  readonly alone: () => Promise<Output>;
  readonly answer: (output: Output | Promise<Output>) => void;
}

export function gathering<Input, Output>(options: GatheringOptions<Input, Output>): Gathering<Input, Output> {
  const { abreast, most, patienceMs, about, together } = options;
  let underWay = 0;
  let waiting: Waiting<Input, Output>[] = [];

  /** Takes a place among those under way, until it is done or stands still for too long. */
  const onTheWay = async <T>(work: Promise<T>): Promise<T> => {
    underWay++;
    let isHeld = true;
    const leave = () => {
      if (isHeld) underWay--;
      isHeld = false;
      if (waiting.length > 0 && underWay < abreast) void goTogether();
    };
    const patience = setTimeout(leave, patienceMs);
    try {
      return await work;
    } finally {
      clearTimeout(patience);
      leave();
    }
  };

  const goTogether = async () => {
    const group = takeGroup();
    const [first, ...others] = group;
    if (others.length === 0) return first!.answer(onTheWay(first!.alone()));
    const outputs = await onTheWay(together(group.map(({ input }) => input)).catch(() => []));
    for (const [n, { answer, alone }] of group.entries()) answer(outputs[n] ?? alone());
  };

  /** Takes the first who wait, and leaves whoever is about the same as one of them. */
  const takeGroup = (): Waiting<Input, Output>[] => {
    const [group, left, seen] = [[] as Waiting<Input, Output>[], [] as Waiting<Input, Output>[], new Set<string>()];
    for (const one of waiting) {
      const what = about(one.input);
      const isTaken = group.length < most && !seen.has(what);
      seen.add(what);
      (isTaken ? group : left).push(one);
    }
    waiting = left;
    return group;
  };

  return {
    run(input, alone) {
      if (underWay < abreast) return onTheWay(alone());
      return new Promise((answer) => waiting.push({ input, alone, answer }));
    },
  };
}
