/** M. Matsumoto and T. Nishimura, "Mersenne Twister" (1998), seeded by the 32-bit `init_genrand`. */

const SIZE = 624;
const MIDDLE = 397;

export class Mt19937 {
  private readonly state = new Uint32Array(SIZE);
  private place = SIZE;

  /** `seed`: the lower 32 bits are taken. */
  constructor(seed: number) {
    let last = seed >>> 0;
    this.state[0] = last;
    for (let index = 1; index < SIZE; index += 1) {
      last = (Math.imul(1812433253, last ^ (last >>> 30)) + index) >>> 0;
      this.state[index] = last;
    }
  }

  /** The next 32 bits. */
  next(): number {
    if (this.place === SIZE) {
      this.twist();
    }
    let word = this.state[this.place] as number;
    this.place += 1;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    word ^= word >>> 18;
    return word >>> 0;
  }

  private twist(): void {
    const state = this.state;
    for (let index = 0; index < SIZE; index += 1) {
      const joined = ((state[index] as number) & 0x80000000) | ((state[(index + 1) % SIZE] as number) & 0x7fffffff);
      const odd = joined & 1 ? 0x9908b0df : 0;
      state[index] = ((state[(index + MIDDLE) % SIZE] as number) ^ (joined >>> 1) ^ odd) >>> 0;
    }
    this.place = 0;
  }
}
