/** Byte-pair encoding: a word's letters merged by rank (Sennrich et al. 2016; bytes as letters: Radford et al. 2019). */

const PRINTABLE: readonly (readonly [number, number])[] = [
  [0x21, 0x7e],
  [0xa1, 0xac],
  [0xae, 0xff],
];

/** GPT-2's letter for every byte: printable ones stand for themselves, the others for what lies above 255. */
export const BYTE_LETTERS: readonly string[] = byteLetters();

function byteLetters(): string[] {
  const letters: string[] = [];
  let above = 256;
  for (let byte = 0; byte < 256; byte += 1) {
    const printable = PRINTABLE.some(([first, last]) => byte >= first && byte <= last);
    letters.push(String.fromCodePoint(printable ? byte : above));
    above += printable ? 0 : 1;
  }
  return letters;
}

export class BytePairs {
  private readonly ranks = new Map<string, number>();
  private readonly cache = new Map<string, readonly number[]>();

  /**
   * @param ids Token to id.
   * @param merges Pairs of tokens, the first to be merged first.
   * @param unknown The id of a letter without a token.
   * @param end What is put behind a word's last letter.
   */
  constructor(
    private readonly ids: ReadonlyMap<string, number>,
    merges: readonly (readonly [string, string])[],
    private readonly unknown: number,
    private readonly end: string,
  ) {
    merges.forEach(([first, second], rank) => this.ranks.set(`${first} ${second}`, rank));
  }

  /** The ids of a word. */
  encode(word: string): readonly number[] {
    const known = this.cache.get(word);
    if (known !== undefined) {
      return known;
    }
    const bytes = new TextEncoder().encode(word);
    const letters = Array.from(bytes, (byte) => BYTE_LETTERS[byte] as string);
    letters[letters.length - 1] += this.end;
    const ids = this.merged(letters).map((token) => this.ids.get(token) ?? this.unknown);
    this.cache.set(word, ids);
    return ids;
  }

  private merged(letters: string[]): string[] {
    const tokens = letters;
    for (;;) {
      let best = -1;
      let lowest = Number.POSITIVE_INFINITY;
      for (let index = 0; index + 1 < tokens.length; index += 1) {
        const rank = this.ranks.get(`${tokens[index]} ${tokens[index + 1]}`);
        if (rank !== undefined && rank < lowest) {
          [best, lowest] = [index, rank];
        }
      }
      if (best < 0) {
        return tokens;
      }
      tokens.splice(best, 2, `${tokens[best]}${tokens[best + 1]}`);
    }
  }
}
