/** The parts that this page knows, and their fields, as `docs/bundle-format.md` has them. */

import type { Fields } from "../bundle/fields";
import { isObject } from "../bundle/fields";
import { quoted } from "../problem";

type Numbers = number | readonly number[];
type NamesOrNumbers = readonly (string | number)[];

export interface Tokens {
  readonly part: "tokens";
  readonly tokenizer: string;
  readonly ids: string;
  readonly length: number | null;
  readonly mask: string | null;
  readonly template: string;
  readonly negative_template: string | null;
  readonly side: string;
  readonly clean: string;
  readonly padding: string;
}

export interface Graph {
  readonly part: "graph";
  readonly role: string;
  readonly feeds: Readonly<Record<string, string>>;
  readonly takes: Readonly<Record<string, string>>;
  readonly alone: boolean;
  readonly tiled: boolean;
}

export interface Sizes {
  readonly part: "sizes";
  readonly to: string;
  readonly fields: NamesOrNumbers;
  readonly negative_fields: NamesOrNumbers | null;
  readonly defaults: Readonly<Record<string, string | number>>;
}

export interface Choice {
  readonly part: "choice";
  readonly choice: string;
  readonly to: string;
  readonly default: number | null;
  readonly null: number | null;
  readonly scale: number;
}

export interface Sinusoid {
  readonly part: "sinusoid";
  readonly choice: string;
  readonly to: string;
  readonly dim: number;
  readonly shift: number;
  readonly scale: number;
}

export interface Picture {
  readonly part: "picture";
  readonly choice: string;
  readonly to: string;
}

export interface Noise {
  readonly part: "noise";
  readonly to: string;
}

export interface Gaussian {
  readonly part: "gaussian";
  readonly moments: string;
  readonly to: string;
}

export interface Join {
  readonly part: "join";
  readonly names: readonly string[];
  readonly to: string;
  readonly axis: number;
}

export interface Affine {
  readonly part: "affine";
  readonly name: string;
  readonly to: string;
  readonly minus: Numbers;
  readonly times: Numbers;
  readonly over: Numbers;
  readonly plus: Numbers;
}

export interface Pictures {
  readonly part: "pictures";
  readonly name: string;
}

export type Part =
  | Tokens
  | Graph
  | Sizes
  | Choice
  | Sinusoid
  | Picture
  | Noise
  | Gaussian
  | Join
  | Affine
  | Pictures;
export type Kind = Part["part"];

/** How a field is read: `accepts` says whether a JSON value is one; the names in it are read, written or options. */
export interface Rule {
  readonly accepts: (value: unknown) => boolean;
  readonly said: string;
  readonly wire?: "read" | "write" | "option";
  readonly fallback?: unknown;
  /** All values that this page draws with, where these are few. */
  readonly allowed?: readonly unknown[];
}

const isText = (value: unknown): boolean => typeof value === "string";
const isNumber = (value: unknown): boolean => typeof value === "number" && Number.isFinite(value);
const isWhole = (value: unknown): boolean => Number.isSafeInteger(value);
const isNull = (value: unknown): boolean => value === null;
const all = (value: unknown, one: (item: unknown) => boolean): boolean => Array.isArray(value) && value.every(one);
const values = (value: unknown, one: (item: unknown) => boolean): boolean =>
  isObject(value) && Object.values(value).every(one);

const text: Rule = { accepts: isText, said: "text" };
const number: Rule = { accepts: isNumber, said: "finite number" };
const whole: Rule = { accepts: isWhole, said: "whole number" };
const truth: Rule = { accepts: (value) => typeof value === "boolean", said: "true or false" };
const numbers: Rule = { accepts: (value) => isNumber(value) || all(value, isNumber), said: "a number or an array of them" };
const mixedList: Rule = {
  accepts: (value) => all(value, (item) => isText(item) || isNumber(item)),
  said: "an array of texts and numbers",
};
const textMap: Rule = { accepts: (value) => values(value, isText), said: "an object of texts" };
const mixedMap: Rule = {
  accepts: (value) => values(value, (item) => isText(item) || isNumber(item)),
  said: "an object of texts and numbers",
};
const only = (...allowed: unknown[]): Rule => ({
  accepts: (value) => allowed.some((one) => JSON.stringify(one) === JSON.stringify(value)),
  said: `${allowed.map((one) => quoted(one)).join(" or ")}, which is all that this page draws`,
  allowed,
});
const or = (rule: Rule, fallback: unknown): Rule => ({ ...rule, fallback });
const orNull = (rule: Rule): Rule => ({
  ...rule,
  accepts: (value) => isNull(value) || rule.accepts(value),
  said: `${rule.said} or null`,
  fallback: null,
});
const read = (rule: Rule = text): Rule => ({ ...rule, wire: "read" });
const write = (rule: Rule = text): Rule => ({ ...rule, wire: "write" });
const option = (rule: Rule = text): Rule => ({ ...rule, wire: "option" });

/** Fields by kind. The table is complete: a kind that is not here is refused, and so is a field. */
export const KINDS: Readonly<Record<Kind, Readonly<Record<string, Rule>>>> = {
  tokens: {
    tokenizer: text,
    ids: write(),
    length: orNull(whole),
    mask: orNull(write()),
    positions: or(only(null), null),
    template: or(text, "{}"),
    negative_template: orNull(text),
    side: or(only("right"), "right"),
    clean: or(only("", "lower"), ""),
    padding: or(only("length"), "length"),
    multiple: or(whole, 1),
    kept: or(only(null), null),
    dropped: or(only(0), 0),
    head: or(only(""), ""),
  },
  graph: {
    role: text,
    feeds: read(textMap),
    takes: write(textMap),
    alone: or(truth, false),
    tiled: or(truth, false),
  },
  sizes: {
    to: write(),
    fields: option(mixedList),
    negative_fields: option(orNull(mixedList)),
    defaults: or(mixedMap, {}),
  },
  choice: {
    choice: option(),
    to: write(),
    default: orNull(number),
    null: orNull(number),
    below: or(only(null), null),
    names: or(only({}), {}),
    scale: or(number, 1),
  },
  sinusoid: { choice: option(), to: write(), dim: whole, shift: or(number, 0), scale: or(number, 1) },
  picture: { choice: option(), to: write() },
  noise: { to: or(write(), "noise") },
  gaussian: { moments: read(), to: write() },
  join: { names: read({ accepts: (value) => all(value, isText), said: "an array of texts" }), to: write(), axis: whole },
  affine: {
    name: read(),
    to: write(),
    minus: or(numbers, 0),
    times: or(numbers, 1),
    over: or(numbers, 1),
    plus: or(numbers, 0),
  },
  pictures: { name: read() },
};

export function isKind(name: string): name is Kind {
  return Object.hasOwn(KINDS, name);
}

/** A part, checked field by field; what is left out has the default of the format. */
export function readPart(fields: Fields): Part {
  const kind = fields.text("part");
  if (!isKind(kind)) {
    throw fields.fail("part", `one of ${Object.keys(KINDS).join(", ")}, which are those that this page knows`);
  }
  return { part: kind, ...readRecord(fields, KINDS[kind], ["part"]) } as Part;
}

/** The fields of a declaration; an unknown one is refused. */
export function readRecord(
  fields: Fields,
  rules: Readonly<Record<string, Rule>>,
  beside: readonly string[] = [],
): Record<string, unknown> {
  const unknown = Object.keys(fields.values).find((name) => !Object.hasOwn(rules, name) && !beside.includes(name));
  if (unknown !== undefined) {
    throw fields.fail(unknown, `no such field: ${Object.keys(rules).join(", ")} are known`);
  }
  const found: Record<string, unknown> = {};
  for (const [name, rule] of Object.entries(rules)) {
    const value = fields.values[name];
    if (value === undefined && rule.fallback !== undefined) {
      found[name] = rule.fallback;
    } else if (value === undefined || !rule.accepts(value)) {
      throw fields.fail(name, rule.said);
    } else {
      found[name] = value;
    }
  }
  return found;
}

/** The names that a part reads, writes, or takes from the caller. */
export function namesOf(part: Part, wire: "read" | "write" | "option"): string[] {
  return Object.entries(KINDS[part.part]).flatMap(([name, rule]) =>
    rule.wire === wire ? namesIn((part as unknown as Record<string, unknown>)[name]) : [],
  );
}

function namesIn(value: unknown): string[] {
  if (typeof value === "string") {
    return [value];
  }
  const items = Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
  return items.filter((item): item is string => typeof item === "string");
}

/** Fields that this page only draws with at a few values, with these. */
export function limitsOf(rules: Readonly<Record<string, Rule>>): Record<string, readonly unknown[]> {
  const limited = Object.entries(rules).filter(([, rule]) => rule.allowed !== undefined);
  return Object.fromEntries(limited.map(([name, rule]) => [name, rule.allowed ?? []]));
}

export const RULES = { text, number, whole, numbers, or, orNull, only, all, isNumber } as const;
