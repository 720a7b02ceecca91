"""Make ``engines/``: graphs of a few hundred bytes that show what an engine does.

    python tests/golden/make_engine_graphs.py

Needs onnx (1.23.2 when these were made). ``add.onnx``: a + b. ``half.onnx``: 2 * a in float16. ``loop.onnx``: ``trips``
products of a matrix that keeps its argument in range, so that a run lasts as long as a test asks for. ``chain.onnx``:
200 such products, one node each, of as many rows as a test asks for: for engines that are interrupted between nodes
only. ``scalar.onnx``: a number as a row of one, which shows whether it came in without axes. ``twice.onnx``: a picture
whose pixels are squares of four, as graphs that enlarge have it; ``same.onnx``: one that stays as it is.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import onnx
from onnx import TensorProto, helper

HERE = Path(__file__).parent / "engines"
OPSET, IR_VERSION = 17, 8  # old enough for every ONNX Runtime that the project allows
SIZE = 64
CHAIN = 200  # nodes of chain.onnx


def main() -> None:
    """Write the graphs."""
    HERE.mkdir(exist_ok=True)
    write("add", add_graph())
    write("half", half_graph())
    write("loop", loop_graph())
    write("chain", chain_graph())
    write("scalar", scalar_graph())
    write("twice", picture_graph(2))
    write("same", picture_graph(1))


def write(name: str, graph: onnx.GraphProto) -> None:
    """Check a graph and save it."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    model.producer_name = "tests/golden/make_engine_graphs.py"
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, HERE / f"{name}.onnx")


def add_graph() -> onnx.GraphProto:
    """``sum = a + b``, float32 of shape ``(batch, 3)``."""
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in ("a", "b", "sum")]
    return helper.make_graph([helper.make_node("Add", ["a", "b"], ["sum"])], "add", tensors[:2], tensors[2:])


def picture_graph(scale: int) -> onnx.GraphProto:
    """Every pixel of ``picture`` a square of ``scale`` by ``scale``, ``(batch, 3, height, width)``."""
    sides = [["batch", 3, f"{prefix}height", f"{prefix}width"] for prefix in ("", "larger_")]
    tensors = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(("picture", "larger"), sides, strict=True)
    ]
    nodes = [
        helper.make_node("Concat", ["picture"] * scale**2, ["copies"], axis=1),
        helper.make_node("DepthToSpace", ["copies"], ["larger"], blocksize=scale, mode="DCR"),
    ]
    return helper.make_graph(nodes, "picture", tensors[:1], tensors[1:])


def half_graph() -> onnx.GraphProto:
    """``twice = a + a``, float16 of shape ``(batch,)``."""
    a, twice = (helper.make_tensor_value_info(name, TensorProto.FLOAT16, ["batch"]) for name in ("a", "twice"))
    return helper.make_graph([helper.make_node("Add", ["a", "a"], ["twice"])], "half", [a], [twice])


def loop_graph() -> onnx.GraphProto:
    """``y = M^trips x`` where every entry of ``M`` is ``1 / SIZE``; ``x`` is ``(SIZE, SIZE)``, ``trips`` a scalar."""
    square = [SIZE, SIZE]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["still_go_on"]),
            helper.make_node("MatMul", ["mean", "state"], ["next_state"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("trip", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, square),
        ],
        [
            helper.make_tensor_value_info("still_go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next_state", TensorProto.FLOAT, square),
        ],
    )
    nodes = [
        helper.make_node(
            "ConstantOfShape",
            ["square"],
            ["mean"],
            value=helper.make_tensor("value", TensorProto.FLOAT, [1], [1 / SIZE]),
        ),
        helper.make_node("Loop", ["trips", "", "x"], ["y"], body=body),
    ]
    return helper.make_graph(
        nodes,
        "loop",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, square),
            helper.make_tensor_value_info("trips", TensorProto.INT64, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, square)],
        [helper.make_tensor("square", TensorProto.INT64, [2], square)],
    )


def chain_graph() -> onnx.GraphProto:
    """``y = x M^CHAIN`` where every entry of ``M`` is ``1 / SIZE``; ``x`` is ``(rows, SIZE)``."""
    names = ["x", *(f"x{i}" for i in range(1, CHAIN)), "y"]
    mean = helper.make_tensor("value", TensorProto.FLOAT, [1], [1 / SIZE])
    nodes = [helper.make_node("ConstantOfShape", ["square"], ["mean"], value=mean)]
    nodes += [helper.make_node("MatMul", [a, "mean"], [b]) for a, b in pairwise(names)]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", SIZE]) for name in ("x", "y"))
    square = helper.make_tensor("square", TensorProto.INT64, [2], [SIZE, SIZE])
    return helper.make_graph(nodes, "chain", [x], [y], [square])


def scalar_graph() -> onnx.GraphProto:
    """``row = [number]``, float32: a scalar and its row."""
    number = helper.make_tensor_value_info("number", TensorProto.FLOAT, [])
    row = helper.make_tensor_value_info("row", TensorProto.FLOAT, [1])
    first = helper.make_tensor("first", TensorProto.INT64, [1], [0])
    return helper.make_graph(
        [helper.make_node("Unsqueeze", ["number", "first"], ["row"])], "scalar", [number], [row], [first]
    )


if __name__ == "__main__":
    main()
