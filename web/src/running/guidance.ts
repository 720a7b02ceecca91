/** Classifier-free guidance (Ho and Salimans 2022, eq. 6), and the network under it as a sampler calls it. */

import { minus, plus, times } from "../arrays/float32";
import type { Floats } from "../arrays/tensor";
import { asFloats, channels, concatenate, doubles, floats, rows, sameShape } from "../arrays/tensor";
import type { Context, Value } from "../parts/values";
import { valueOf } from "../parts/values";
import { runPart } from "../parts/work";
import { Problem } from "../problem";
import type { Stage } from "../recipe/recipe";

/** `origin + scale * (conditional - unconditional)`, every operation in float32. */
export function combine(
  unconditional: Float32Array,
  conditional: Float32Array,
  scale: number,
  origin: string,
): Float32Array {
  const from = origin === "conditional" ? conditional : unconditional;
  return plus(from, times(minus(conditional, unconditional), scale));
}

/** `network(x, t) -> prediction`: one call for both branches. `shape` is that of the sample, one picture. */
export function guidedNetwork(
  stage: Stage,
  context: Context,
  branches: readonly ReadonlyMap<string, Value>[],
  shape: readonly number[],
): (x: Float32Array, t: number) => Promise<Float32Array> {
  const [conditional, unguided] = branches;
  const count = shape[1] ?? 0;
  return async (data, t) => {
    const x = floats(data, shape);
    if (conditional === undefined || unguided === undefined || stage.guidance === null) {
      return channels(await predict(stage, context, conditional ?? new Map<string, Value>(), x, t), 0, count).data;
    }
    const twice = asFloats(concatenate([x, x], 0));
    const both = await predict(stage, context, oneBehindTheOther(unguided, conditional), twice, t);
    const halves = [rows(both, 0, 1), rows(both, 1, 2)].map((half) => channels(half, 0, count).data);
    const [without, with_] = halves as [Float32Array, Float32Array];
    return combine(without, with_, context.settings.guidance, stage.guidance.origin);
  };
}

async function predict(
  stage: Stage,
  context: Context,
  conditions: ReadonlyMap<string, Value>,
  x: Floats,
  t: number,
): Promise<Floats> {
  const batch = x.shape[0] ?? 0;
  context.values.clear();
  conditions.forEach((value, name) => context.values.set(name, value));
  context.values.set("x", { array: x, rows: "pictures" });
  context.values.set("t", { array: doubles(Float64Array.of(t), [1]), rows: null });
  context.values.set("t_rows", { array: doubles(new Float64Array(batch).fill(t), [batch]), rows: "pictures" });
  for (const part of stage.network) {
    await runPart(part, context);
  }
  const prediction = asFloats(valueOf(context, "prediction").array);
  const [, count = 0, ...sides] = prediction.shape;
  const wide = count === x.shape[1] || count === 2 * (x.shape[1] ?? 0);
  if (prediction.shape[0] !== batch || !wide || !sameShape(sides, x.shape.slice(2))) {
    throw new Problem(
      `the recipe's \`${stage.name}\` predicts [${prediction.shape.join(", ")}]: expected [${x.shape.join(", ")}], as what it is asked about`,
    );
  }
  return prediction;
}

function oneBehindTheOther(first: ReadonlyMap<string, Value>, second: ReadonlyMap<string, Value>): Map<string, Value> {
  const joined = new Map<string, Value>();
  for (const [name, value] of first) {
    const other = second.get(name);
    const apart = value.rows === null || other === undefined;
    joined.set(name, apart ? value : { array: concatenate([value.array, other.array], 0), rows: value.rows });
  }
  return joined;
}
