"""A branch's stages as ONNX graphs, written down operation by operation.

What torch computes in a hundred small calls, ONNX Runtime does in fused ones: an attention is one
operation, and so is a layer norm with its modulation. Inputs and outputs are those of the stages in
`staged`, by name: `x`, `tokens`, `modulation` (whose scales have 1 added), `audio_i`, `partner_i`,
`own` in, `features_i` and `output` out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.networks import Branch
from asynfusion_ros.networks.interaction import Concat, CoSync, Gated
from asynfusion_ros.networks.layers import DiTBlock, Mlp

_FUSED = "com.microsoft"
_OPSETS = (("", 18), (_FUSED, 1))
_IR_VERSION = 9
_EPSILON = 1e-5  # torch's


class BranchGraphs:
    """Builds the ONNX models of one branch."""

    def __init__(self, branch: Branch) -> None:
        """Read the weights of `branch` as they are now."""
        self.branch = branch
        self.depth = len(branch.blocks)
        self.width = branch.position.shape[1]

    def listen(self) -> onnx.ModelProto:
        """Return audio -> audio_i: what each block hears of a window's speech."""
        graph, encoder = _Graph("audio", self.width), self.branch.encode_audio
        x = graph.convolve(graph.op("Transpose", "audio", perm=[0, 2, 1]), encoder.first)
        x = graph.op("Add", x, graph.convolve(x, encoder.second))
        encoded = graph.op("Transpose", x, perm=[0, 2, 1])
        parts = graph.split(graph.linear(encoded, self.branch.inject_audio), self.depth)
        names = [f"audio_{index}" for index in range(self.depth)]
        graph.rename(parts, names)
        return self._model(graph, ("audio",), names)

    def start(self) -> onnx.ModelProto:
        """Return x, tokens, modulation, audio_0 -> features_0."""
        graph = _Graph("x", self.width)
        graph.name("features_0", self._block(graph, 0, self._enter(graph)))
        return self._model(graph, ("x", "tokens", "modulation", "audio_0"), ("features_0",))

    def advance(self, index: int, hears: bool) -> onnx.ModelProto:
        """Return own, modulation, audio_i and, where it `hears`, partner -> features_i."""
        graph = _Graph("own", self.width)
        tokens = self._interact(graph, index - 1, "own", "partner" if hears else None)
        graph.name(f"features_{index}", self._block(graph, index, tokens))
        inputs = ("own", "modulation", f"audio_{index}", *(("partner",) if hears else ()))
        return self._model(graph, inputs, (f"features_{index}",))

    def finish(self, hears: bool) -> onnx.ModelProto:
        """Return own, modulation and, where it `hears`, partner -> output."""
        graph = _Graph("own", self.width)
        tokens = self._interact(graph, self.depth - 1, "own", "partner" if hears else None)
        graph.name("output", self._leave(graph, tokens))
        inputs = ("own", "modulation", *(("partner",) if hears else ()))
        return self._model(graph, inputs, ("output",))

    def step(self, hears: bool) -> onnx.ModelProto:
        """Return all stages in one: the inputs of all of them -> output and all features."""
        graph, blocks = _Graph("x", self.width), range(self.depth)
        tokens = self._enter(graph)
        for index in blocks:
            own = graph.name(f"features_{index}", self._block(graph, index, tokens))
            partner = f"partner_{index}" if hears else None
            tokens = self._interact(graph, index, own, partner)
        graph.name("output", self._leave(graph, tokens))
        heard = tuple(f"partner_{index}" for index in blocks) if hears else ()
        audio = tuple(f"audio_{index}" for index in blocks)
        outputs = ("output", *(f"features_{index}" for index in blocks))
        return self._model(graph, ("x", "tokens", "modulation", *audio, *heard), outputs)

    def _enter(self, graph: _Graph) -> str:
        return graph.op("Add", graph.linear("x", self.branch.embed_motion), "tokens")

    def _leave(self, graph: _Graph, tokens: str) -> str:
        shift, scale = self._modulations(graph, 6 * self.depth, 2)
        return graph.linear(graph.norm(tokens, scale, shift), self.branch.out)

    def _block(self, graph: _Graph, index: int, tokens: str) -> str:
        """Return block `index` of `tokens`: see layers.DiTBlock."""
        block = self.branch.blocks[index]
        assert isinstance(block, DiTBlock)
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self._modulations(graph, 6 * index, 6)
        x = graph.op("Add", tokens, f"audio_{index}")
        qkv, heads = block.attention.qkv, block.attention.heads
        heard = graph.fused(
            "Attention",
            graph.norm(x, scale_a, shift_a),
            *graph.weights(qkv),
            num_heads=heads,
        )
        attended = graph.op("Mul", graph.linear(heard, block.attention.out), gate_a)
        x = graph.op("Add", x, attended)
        thought = graph.op("Mul", graph.mlp(graph.norm(x, scale_m, shift_m), block.mlp), gate_m)
        return graph.op("Add", x, thought)

    def _interact(self, graph: _Graph, index: int, own: str, partner: str | None) -> str:
        """Return `own` after interaction `index`: see networks.interaction."""
        if partner is None or not self.branch.listens:
            return own
        way = self.branch.interactions[index]
        if isinstance(way, CoSync):
            query = graph.linear(graph.norm(own), way.query)
            key, value = graph.split(graph.linear(graph.norm(partner), way.key_value), 2)
            heard = graph.fused("MultiHeadAttention", query, key, value, num_heads=way.heads)
            x = graph.op("Add", own, graph.linear(heard, way.out))
            return graph.op("Add", x, graph.mlp(graph.norm(x), way.mlp))
        if isinstance(way, Concat):
            both = graph.op("Concat", graph.norm(own), graph.norm(partner), axis=-1)
            return graph.op("Add", own, graph.linear(both, way.out))
        if isinstance(way, Gated):
            heard = graph.norm(partner)
            gate = graph.linear(graph.op("Concat", graph.norm(own), heard, axis=-1), way.gate)
            opened = graph.op("Mul", graph.op("Sigmoid", gate), graph.linear(heard, way.out))
            return graph.op("Add", own, opened)
        raise ConfigError(
            f"interaction {type(way).__name__} has no ONNX graph; choose runtime 'torch'"
        )

    def _modulations(self, graph: _Graph, first: int, count: int) -> list[str]:
        """Return `count` of the modulations (B, 1, W) from `first` on."""
        bounds = [[first * self.width], [(first + count) * self.width], [2]]
        part = graph.op("Slice", "modulation", *(graph.constant(np.array(b)) for b in bounds))
        return graph.split(part, count)

    def _model(
        self, graph: _Graph, inputs: Sequence[str], outputs: Sequence[str]
    ) -> onnx.ModelProto:
        sizes = {
            "audio": ("B", "T", self.branch.encode_audio.first.in_channels),
            "x": ("B", "T", self.branch.dim),
            "output": ("B", "T", self.branch.dim),
            "tokens": ("P", "T", self.width),
            "modulation": ("B", 1, self.branch.modulation.out_features),
        }
        told, made = (
            [(name, sizes.get(name, ("B", "T", self.width))) for name in names]
            for names in (inputs, outputs)
        )
        return graph.model(told, made)


class _Graph:
    """Nodes and weights under way; values are told by name."""

    def __init__(self, entry: str, width: int) -> None:
        """Begin; `entry` (B, T, ...) is the input that rows and frames are read from."""
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []
        self._count = 0
        self._ones = self.constant(np.ones(width, np.float32))
        self._zeros = self.constant(np.zeros(width, np.float32))
        self._rows = self.op("Shape", entry, end=2)

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output and return it."""
        output = self._new()
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def fused(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add one of ONNX Runtime's own operations."""
        return self.op(kind, *inputs, domain=_FUSED, **attributes)

    def constant(self, values: npt.NDArray[Any]) -> str:
        """Add weights."""
        name = self._new()
        self.initialisers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def weights(self, layer: nn.Linear | nn.Conv1d) -> tuple[str, str]:
        """Add a layer's weight, (in, out) of a linear map, and bias (out)."""
        assert layer.bias is not None
        weight, bias = (p.detach().cpu().numpy() for p in (layer.weight, layer.bias))
        turned = weight.T if isinstance(layer, nn.Linear) else weight
        return self.constant(turned), self.constant(bias)

    def linear(self, x: str, linear: nn.Linear) -> str:
        """Return the map of x (B, T, in), as one product of all rows: (B, T, out)."""
        out, into = linear.weight.shape
        flat = self.op("Reshape", x, self.constant(np.array([-1, into])))
        mapped = self.op("Gemm", flat, *self.weights(linear))
        shape = self.op("Concat", self._rows, self.constant(np.array([out])), axis=0)
        return self.op("Reshape", mapped, shape)

    def convolve(self, x: str, convolution: nn.Conv1d) -> str:
        """Return GELU of a convolution of x (B, in, T), (B, out, T)."""
        pad = int(convolution.padding[0])
        convolved = self.op("Conv", x, *self.weights(convolution), pads=[pad, pad])
        return self.fused("Gelu", convolved)

    def mlp(self, x: str, mlp: Mlp) -> str:
        """Return layers.Mlp of x (B, T, W)."""
        risen = self.fused("QuickGelu", self.linear(x, mlp.rise), alpha=1.0)  # SiLU
        return self.linear(risen, mlp.fall)

    def norm(self, x: str, scale: str | None = None, shift: str | None = None) -> str:
        """Return the layer norm of x (B, T, W), times `scale` plus `shift`, (B, 1, W) each."""
        given = (scale or self._ones, shift or self._zeros)
        return self.op("LayerNormalization", x, *given, axis=-1, epsilon=_EPSILON)

    def split(self, x: str, count: int) -> list[str]:
        """Return `count` equal parts of the last dimension."""
        outputs = [self._new() for _ in range(count)]
        self.nodes.append(helper.make_node("Split", [x], outputs, axis=-1, num_outputs=count))
        return outputs

    def name(self, name: str, value: str) -> str:
        """Call `name` what the newest node gives out as `value`; return the name."""
        self.rename([value], [name])
        return name

    def rename(self, values: Sequence[str], names: Sequence[str]) -> None:
        """Call the outputs `values` of the newest node `names`."""
        outputs = self.nodes[-1].output
        for value, name in zip(values, names, strict=True):
            outputs[list(outputs).index(value)] = name

    def model(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> onnx.ModelProto:
        """Return the model with `inputs` and `outputs`, each a name and a shape."""
        given, made = (
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in side]
            for side in (inputs, outputs)
        )
        graph = helper.make_graph(self.nodes, "branch", given, made, self.initialisers)
        opsets = [helper.make_opsetid(*opset) for opset in _OPSETS]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)

    def _new(self) -> str:
        self._count += 1
        return f"v{self._count}"
