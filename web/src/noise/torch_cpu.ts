/**
 * The normals of `torch.randn` on a CPU generator, for float32 draws of any shape in any order.
 *
 * As edgediff's own `noise/torch_cpu.py`: uniforms are equal bit for bit, normals up to the last bits of `log`, `sin`
 * and `cos`. PyTorch seeds its CPU generator with the lower 32 bits of a seed.
 */

import { Problem } from "../problem";
import { Mt19937 } from "./mt19937";

const BLOCK = 16;
const HALF = 8;
const round = Math.fround;
const TWO_PI = round(2 * Math.PI);

export class TorchCpuNoise {
  private readonly bits: Mt19937;
  private kept: number | null = null;

  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new Problem(`\`seed\` is ${seed}: expected a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`);
    }
    this.bits = new Mt19937(seed % 2 ** 32);
  }

  /** `torch.rand`: 24 bits of one word each, in [0, 1). */
  uniform(count: number): Float32Array {
    return Float32Array.from({ length: count }, () => (this.bits.next() & 0xffffff) * 2 ** -24);
  }

  /** `torch.randn`: mean 0, variance 1. */
  standardNormal(count: number): Float32Array {
    return count >= BLOCK ? this.blocks(count) : this.oneByOne(count);
  }

  /** Whole blocks, and the last 16 values drawn afresh where the blocks do not fit. */
  private blocks(count: number): Float32Array {
    const whole = count - (count % BLOCK);
    const uniforms = this.uniform(count);
    const normals = new Float32Array(count);
    normals.set(boxMuller(uniforms.subarray(0, whole)));
    if (whole !== count) {
      normals.set(boxMuller(this.uniform(BLOCK)), count - BLOCK);
    }
    return normals;
  }

  /** Pairs in double precision, of which the second waits for the next draw. */
  private oneByOne(count: number): Float32Array {
    const normals = new Float32Array(count);
    for (let index = 0; index < count; index += 1) {
      if (this.kept !== null) {
        normals[index] = this.kept;
        this.kept = null;
        continue;
      }
      const angle = 2 * Math.PI * this.double();
      const radius = Math.sqrt(-2 * Math.log1p(-this.double()));
      normals[index] = radius * Math.cos(angle);
      this.kept = radius * Math.sin(angle);
    }
    return normals;
  }

  /** 53 of 64 bits, the lower ones. */
  private double(): number {
    const high = this.bits.next();
    const low = this.bits.next();
    return ((high & 0x1fffff) * 2 ** 32 + low) * 2 ** -53;
  }
}

/** G. E. P. Box and M. E. Muller (1958), blocks of 16: eight radii, then eight angles; every operation in float32. */
function boxMuller(uniforms: Float32Array): Float32Array {
  const normals = new Float32Array(uniforms.length);
  for (let block = 0; block < uniforms.length; block += BLOCK) {
    for (let index = block; index < block + HALF; index += 1) {
      const log = round(Math.log(round(1 - (uniforms[index] as number))));
      const radius = round(Math.sqrt(round(-2 * log)));
      const angle = round(TWO_PI * (uniforms[index + HALF] as number));
      normals[index] = radius * round(Math.cos(angle));
      normals[index + HALF] = radius * round(Math.sin(angle));
    }
  }
  return normals;
}
