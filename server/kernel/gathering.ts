/** Does things of one key together when many come at once. */
export interface Gathering<Input, Output> {
  /**
   * Does it by `alone` while few of its key are under way. Who comes then waits until one of those is done, and goes together with
   * all who wait by then: nobody waits for a timer.
   */
  run(key: string, input: Input, alone: () => Promise<Output>): Promise<Output>;
}

export interface GatheringOptions<Input, Output> {
  /** So many of one key are under way at once, each alone or several together. */
  readonly abreast: number;
  /** As many go together, at most. */
  readonly most: number;
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

/** What is done and what waits of one key. */
interface Line<Input, Output> {
  underWay: number;
  waiting: Waiting<Input, Output>[];
}

export function gathering<Input, Output>(options: GatheringOptions<Input, Output>): Gathering<Input, Output> {
  const { abreast, most, about, together } = options;
  const lines = new Map<string, Line<Input, Output>>();

  const leave = (key: string, line: Line<Input, Output>) => {
    line.underWay--;
    if (line.waiting.length > 0) void goTogether(key, line);
    else if (line.underWay === 0) lines.delete(key);
  };

  const goAlone = (key: string, line: Line<Input, Output>, alone: () => Promise<Output>): Promise<Output> => {
    line.underWay++;
    return alone().finally(() => leave(key, line));
  };

  const goTogether = async (key: string, line: Line<Input, Output>) => {
    const group = takeGroup(line);
    const [first, ...others] = group;
    if (others.length === 0) return first!.answer(goAlone(key, line, first!.alone));
    line.underWay++;
    const outputs = await together(group.map(({ input }) => input)).catch(() => []);
    for (const [n, { answer, alone }] of group.entries()) answer(outputs[n] ?? alone());
    leave(key, line);
  };

  /** Takes the first who wait, and leaves whoever is about the same as one of them. */
  const takeGroup = (line: Line<Input, Output>): Waiting<Input, Output>[] => {
    const [group, left, seen] = [[] as Waiting<Input, Output>[], [] as Waiting<Input, Output>[], new Set<string>()];
    for (const one of line.waiting) {
      const what = about(one.input);
      const isTaken = group.length < most && !seen.has(what);
      seen.add(what);
      (isTaken ? group : left).push(one);
    }
    line.waiting = left;
    return group;
  };

  return {
    run(key, input, alone) {
      const line = lines.get(key) ?? { underWay: 0, waiting: [] };
      lines.set(key, line);
      if (line.underWay < abreast) return goAlone(key, line, alone);
      return new Promise((answer) => line.waiting.push({ input, alone, answer }));
    },
  };
}
