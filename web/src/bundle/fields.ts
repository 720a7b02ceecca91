/** Typed reading of a JSON object, with errors that name the field. */

import { Problem, quoted } from "../problem";

export class Fields {
  constructor(
    readonly values: Readonly<Record<string, unknown>>,
    readonly where: string = "",
  ) {}

  static of(value: unknown, where: string): Fields {
    if (!isObject(value)) {
      throw new Problem(`the manifest's \`${where}\` is ${quoted(value)}: expected an object`);
    }
    return new Fields(value, where);
  }

  path(name: string): string {
    return this.where === "" ? name : `${this.where}.${name}`;
  }

  fail(name: string, expected: string): Problem {
    return new Problem(`the manifest's \`${this.path(name)}\` is ${quoted(this.values[name])}: expected ${expected}`);
  }

  has(name: string): boolean {
    return this.values[name] !== undefined && this.values[name] !== null;
  }

  text(name: string): string {
    const value = this.values[name];
    if (typeof value !== "string" || value === "") {
      throw this.fail(name, "a string that is not empty");
    }
    return value;
  }

  texts(name: string): string[] {
    const value = this.values[name];
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
      throw this.fail(name, "an array of strings");
    }
    return value as string[];
  }

  whole(name: string, least: number = 0): number {
    const value = this.values[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least) {
      throw this.fail(name, `a whole number of at least ${least}`);
    }
    return value;
  }

  number(name: string): number {
    const value = this.values[name];
    if (typeof value !== "number" || !Number.isFinite(value)) {
      throw this.fail(name, "a finite number");
    }
    return value;
  }

  fields(name: string): Fields {
    const value = this.values[name];
    if (!isObject(value)) {
      throw this.fail(name, "an object");
    }
    return new Fields(value, this.path(name));
  }

  objects(name: string): Fields[] {
    const value = this.values[name];
    if (!Array.isArray(value)) {
      throw this.fail(name, "an array of objects");
    }
    return value.map((item, index) => Fields.of(item, `${this.path(name)}[${index}]`));
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
