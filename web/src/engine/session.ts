/** A component's graph in ONNX Runtime. */

import type * as Ort from "onnxruntime-common";

import type { Floats, Tensor } from "../arrays/tensor";
import { floats } from "../arrays/tensor";
import { engineProblem, Problem } from "../problem";

export interface Session {
  run(feeds: ReadonlyMap<string, Tensor>, wanted: readonly string[]): Promise<ReadonlyMap<string, Floats>>;
  release(): Promise<void>;
}

type OrtModule = typeof Ort;

/** A session whose inputs are cast to what the graph takes. */
export function sessionOf(ort: OrtModule, session: Ort.InferenceSession, role: string): Session {
  const inputs = new Map(session.inputMetadata.map((input) => [input.name, input]));
  return {
    async run(feeds, wanted) {
      const given: Record<string, Ort.Tensor> = {};
      for (const [name, tensor] of feeds) {
        const input = inputs.get(name);
        if (input === undefined || !input.isTensor) {
          throw new Problem(`\`${role}\` has no input \`${name}\`: expected one of ${[...inputs.keys()].join(", ")}`);
        }
        given[name] = fed(ort, tensor, input.type, input.shape.length, `${role}.${name}`);
      }
      const outputs = await session.run(given, [...wanted]).catch((error: unknown) => {
        throw engineProblem(role, "computed", error);
      });
      const found = new Map<string, Floats>();
      for (const name of wanted) {
        found.set(name, taken(outputs[name], `${role}.${name}`));
      }
      return found;
    },
    release: () => session.release(),
  };
}

/** A tensor in the graph's type; an array of a single entry also in its rank. */
function fed(ort: OrtModule, tensor: Tensor, type: string, rank: number, name: string): Ort.Tensor {
  const shape = tensor.data.length === 1 && tensor.shape.length !== rank ? Array<number>(rank).fill(1) : tensor.shape;
  const { data } = tensor;
  const whole = type === "int64" || type === "int32";
  if (whole && tensor.kind !== "int64" && data.some((value) => value !== Math.trunc(value))) {
    throw new Problem(
      `the sampler tells the network the time step ${(data[0] ?? 0).toFixed(2)}: expected whole ones, because this bundle's graph takes integers`,
      "take another sampler, such as DDIM",
    );
  }
  switch (type) {
    case "float32":
      return new ort.Tensor("float32", tensor.kind === "float32" ? tensor.data : Float32Array.from(data), shape);
    case "float64":
      return new ort.Tensor("float64", Float64Array.from(data), shape);
    case "int32":
      return new ort.Tensor("int32", Int32Array.from(data), shape);
    case "int64":
      return new ort.Tensor("int64", BigInt64Array.from(data as Float64Array, (value) => BigInt(value)), shape);
    default:
      throw new Problem(`\`${name}\` takes ${type}: expected float32, float64, int32 or int64, which this page feeds`);
  }
}

function taken(output: Ort.Tensor | undefined, name: string): Floats {
  if (output === undefined || output.type !== "float32") {
    throw new Problem(`\`${name}\` gives ${output?.type ?? "nothing"}: expected float32`);
  }
  const data = output.data as Float32Array;
  // A sum is finite where all are, and much quicker to look at than every one of them.
  let sum = 0;
  for (const value of data) {
    sum += value - value;
  }
  if (sum !== 0) {
    throw new Problem(`\`${name}\` has numbers that are not finite`, "WebGPU may compute in half precision: try WASM");
  }
  return floats(Float32Array.from(data), output.dims);
}
