/** A scheduler's config: the fields of its class with their defaults, and what replaces them. */

import { Problem, quoted } from "../problem";

export type Defaults = Readonly<Record<string, unknown>>;

export class Config {
  private constructor(
    private readonly values: Readonly<Record<string, unknown>>,
    readonly steps: number,
    private readonly defaults: Defaults,
  ) {}

  /**
   * @param given A bundle's config, of which fields of other classes are dropped, as diffusers drops them.
   * @param asked What the caller's sampler stands for; replaces it.
   * @param neutral Fields of the class that this page only draws with at these values; others are refused by name.
   */
  static of(
    className: string,
    given: Readonly<Record<string, unknown>>,
    asked: Readonly<Record<string, unknown>>,
    steps: number,
    defaults: Defaults,
    neutral: Defaults,
  ): Config {
    const values: Record<string, unknown> = { ...defaults };
    for (const [name, value] of [...Object.entries(given), ...Object.entries(asked)]) {
      const plain = value === "-inf" ? Number.NEGATIVE_INFINITY : value;
      if (Object.hasOwn(neutral, name) && plain !== neutral[name]) {
        throw new Problem(
          `\`${name}\` of ${className} is ${quoted(value)}: expected ${quoted(neutral[name])}, which is all that this page draws with`,
        );
      }
      if (Object.hasOwn(defaults, name)) {
        values[name] = plain;
      }
    }
    if (!Number.isSafeInteger(steps) || steps < 1 || steps > 10_000) {
      throw new Problem(`\`steps\` is ${quoted(steps)}: expected a whole number from 1 to 10,000`);
    }
    return new Config(values, steps, defaults);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.defaults, name);
  }

  private fail(name: string, expected: string): Problem {
    return new Problem(`\`${name}\` of the scheduler is ${quoted(this.values[name])}: expected ${expected}`);
  }

  text(name: string): string {
    const value = this.values[name];
    if (typeof value !== "string") {
      throw this.fail(name, "a text");
    }
    return value;
  }

  one(name: string, allowed: readonly string[]): string {
    const value = this.text(name);
    if (!allowed.includes(value)) {
      throw this.fail(name, `one of ${allowed.join(", ")}`);
    }
    return value;
  }

  truth(name: string): boolean {
    const value = this.values[name];
    if (typeof value !== "boolean") {
      throw this.fail(name, "true or false");
    }
    return value;
  }

  number(name: string): number {
    const value = this.values[name];
    if (typeof value !== "number" || Number.isNaN(value)) {
      throw this.fail(name, "a number");
    }
    return value;
  }

  optionalNumber(name: string): number | null {
    return this.values[name] === null ? null : this.number(name);
  }

  whole(name: string, least: number): number {
    const value = this.number(name);
    if (!Number.isSafeInteger(value) || value < least || value > 100_000) {
      throw this.fail(name, `a whole number from ${least} to 100,000`);
    }
    return value;
  }

  numbers(name: string): number[] | null {
    const value = this.values[name];
    if (value !== null && !(Array.isArray(value) && value.length > 0 && value.every((item) => Number.isFinite(item)))) {
      throw this.fail(name, "a list of numbers");
    }
    return value as number[] | null;
  }
}
