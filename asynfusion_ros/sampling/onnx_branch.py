"""A branch run by ONNX Runtime on the CPU: fewer and larger operations than torch's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor

from asynfusion_ros.networks import Branch, Features, Known, MannerBatch
from asynfusion_ros.sampling.onnx_graph import BranchGraphs
from asynfusion_ros.sampling.staged import Prepared, modulate_all


class OnnxBranch:
    """A Runner (see `staged`) on ONNX Runtime; weights are those at its construction.

    Results lie in memory of torch that they were written to, not copied: of a step in that of its
    window, so that a step allocates none.
    """

    def __init__(self, branch: Branch, threads: int = 1) -> None:
        """Build all graphs; `threads` work inside an operation."""
        self.branch = branch
        self.depth = len(branch.blocks)
        self.width = branch.position.shape[1]
        self._manner: Tensor | None = None
        self._times: tuple[int, ...] = ()
        self._modulation: tuple[Tensor, ...] = ()
        graphs = BranchGraphs(branch)
        self._listen = _Session(graphs.listen(), threads)
        self._start = _Session(graphs.start(), threads)
        self._step = {hears: _Session(graphs.step(hears), threads) for hears in (False, True)}
        self._advance = {
            (index, hears): _Session(graphs.advance(index, hears), threads)
            for index in range(1, self.depth)
            for hears in (False, True)
        }
        self._finish = {hears: _Session(graphs.finish(hears), threads) for hears in (False, True)}

    def prepare(
        self,
        audio: Tensor,
        manner: MannerBatch,
        given: Tensor | None,
        known: Known | None,
        times: tuple[int, ...],
    ) -> Prepared:
        """Return what the steps of a window share; see Runner."""
        tokens = self.branch.place(audio.shape[1], known)
        heard = self._hear(audio, manner, given)
        said = audio.new_empty(len(times), self.depth, *audio.shape[:2], self.width)
        features = tuple(step.unbind() for step in said)
        outputs = audio.new_empty(len(times), *audio.shape[:2], self.branch.dim).unbind()
        return Prepared(tokens, heard, self._modulate(manner, times), features, outputs)

    def _modulate(self, manner: MannerBatch, times: tuple[int, ...]) -> tuple[Tensor, ...]:
        """Return the modulations of all steps; those of the last manner are remembered."""
        told = self.branch.embed_manner(manner)  # (B, W)
        if self._manner is None or times != self._times or not torch.equal(told, self._manner):
            modulation = modulate_all(self.branch, told, times)  # (N, B, 1, M W)
            parts = modulation.view(*modulation.shape[:-1], -1, self.width)  # (N, B, 1, M, W)
            parts[..., 1::3, :] += 1.0  # shift, scale, gate, ..., shift, scale
            self._manner, self._times, self._modulation = told, times, modulation.unbind()
        return self._modulation

    def _hear(self, audio: Tensor, manner: MannerBatch, given: Tensor | None) -> tuple[Tensor, ...]:
        if given is not None:
            condition = self.branch.condition(audio, manner, given)
            return tuple(heard.contiguous() for heard in condition.audio)
        heard = audio.new_empty(self.depth, *audio.shape[:2], self.width).unbind()
        results = {f"audio_{index}": value for index, value in enumerate(heard)}
        self._listen.run({"audio": audio.contiguous()}, results)
        return heard

    def start(self, x: Tensor, prepared: Prepared, step: int) -> Tensor:
        """Return the first block's features (B, T, W) of motion x (B, T, D)."""
        own = x.new_empty(*x.shape[:2], self.width)
        given = {
            "x": x,
            "tokens": prepared.tokens,
            "modulation": prepared.modulation[step],
            "audio_0": prepared.audio[0],
        }
        self._start.run(given, {"features_0": own})
        return own

    def advance(
        self, index: int, own: Tensor, partner: Tensor | None, prepared: Prepared, step: int
    ) -> Tensor:
        """Return the features (B, T, W) of block `index` >= 1 after the trade before it."""
        given = {
            "own": own,
            "modulation": prepared.modulation[step],
            f"audio_{index}": prepared.audio[index],
        }
        heard = {} if partner is None else {"partner": partner}
        features = torch.empty_like(own)
        session = self._advance[index, partner is not None]
        session.run({**given, **heard}, {f"features_{index}": features})
        return features

    def finish(self, own: Tensor, partner: Tensor | None, prepared: Prepared, step: int) -> Tensor:
        """Return the prediction (B, T, D) after the last trade."""
        given = {"own": own, "modulation": prepared.modulation[step]}
        heard = {} if partner is None else {"partner": partner}
        output = own.new_empty(*own.shape[:2], self.branch.dim)
        self._finish[partner is not None].run({**given, **heard}, {"output": output})
        return output

    def step(
        self, x: Tensor, prepared: Prepared, step: int, partner: Features | None
    ) -> tuple[Tensor, Features]:
        """Run all stages against the partner's features; return prediction and own features."""
        session = self._step[partner is not None]
        if session.shared is not prepared:
            audio = {f"audio_{index}": heard for index, heard in enumerate(prepared.audio)}
            session.read({"tokens": prepared.tokens, **audio})
            session.shared = prepared
        heard = {f"partner_{index}": said for index, said in enumerate(partner or ())}
        given = {"x": x, "modulation": prepared.modulation[step], **heard}
        output, features = prepared.outputs[step], prepared.features[step]
        results = {f"features_{index}": own for index, own in enumerate(features)}
        session.run(given, {"output": output, **results})
        return output, features


class _Session:
    """One graph, whose inputs and outputs are tensors on the CPU.

    Attributes:
        shared: that part of the inputs which was read already and has not changed since.
    """

    shared: Prepared | None = None

    def __init__(self, model: onnx.ModelProto, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3  # it warns of inputs that a deaf branch does not use
        # Each graph has a pool of its own, and pools that spin take the cores from each other.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._binding = self._session.io_binding()
        self._names = {value.name for value in self._session.get_inputs()}

    def read(self, inputs: Mapping[str, Tensor]) -> None:
        """Take `inputs`, contiguous float32, for this run and all later ones."""
        for name, value in inputs.items():
            if name in self._names:
                self._binding.bind_input(
                    name, "cpu", 0, np.float32, tuple(value.shape), value.data_ptr()
                )

    def run(self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> None:
        """Read `inputs` and write `outputs`, all contiguous float32."""
        self.read(inputs)
        for name, value in outputs.items():
            shape, address = tuple(value.shape), value.data_ptr()
            self._binding.bind_output(name, "cpu", 0, np.float32, shape, address)
        self._session.run_with_iobinding(self._binding)
