/** What goes wrong on purpose: one sentence with what was got and what was expected, and perhaps a hint. */

const LONGEST = 600;

export class Problem extends Error {
  readonly sentence: string;
  readonly hint: string | null;

  constructor(sentence: string, hint: string | null = null) {
    const whole = shown(sentence);
    super(whole);
    this.name = "Problem";
    this.sentence = whole;
    this.hint = hint === null ? null : shown(hint);
  }
}

/** A text of others for a sentence: short, and without control characters. */
export function shown(text: string, most: number = LONGEST): string {
  const plain = text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, " ");
  return plain.length > most ? `${plain.slice(0, most - 1)}…` : plain;
}

/** A value of others for a sentence. */
export function quoted(value: unknown): string {
  const text = value === undefined ? "missing" : JSON.stringify(value);
  return shown(text ?? String(value), 80);
}

/** What to tell of anything that was thrown. */
export function told(error: unknown): { sentence: string; hint: string | null } {
  if (error instanceof Problem) {
    return { sentence: error.sentence, hint: error.hint };
  }
  const text = error instanceof Error ? error.message : String(error);
  return { sentence: shown(text), hint: MEMORY.test(text) ? LESS : null };
}

const MEMORY = /allocat|out of memory|array buffer|memory access/iu;
const LESS = "a smaller picture needs less memory, and so does a bundle in w8 or w4";

/** What ONNX Runtime says of a graph, in a sentence that says which. */
export function engineProblem(role: string, what: string, error: unknown): Problem {
  if (error instanceof Problem) {
    return error;
  }
  const text = error instanceof Error ? error.message : String(error);
  const line = text.split("\n").find((one) => one.trim() !== "") ?? "no reason given";
  return new Problem(`\`${role}\` cannot be ${what}: ${shown(line, 300)}`, MEMORY.test(text) ? LESS : null);
}
