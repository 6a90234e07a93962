"""A model with recorded tensors at one batch size, and the predictor that Igata makes of it."""

import json
import math
import pathlib
import subprocess

import numpy as np
import onnx
from onnx import numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent


def find_model(name):
    """A folder with model.onnx and test_data_set_0: a path, an example of the repository, or a shared test model."""
    for folder in (pathlib.Path(name), ROOT / "examples" / name, ROOT.parent / "shared" / "models" / name):
        if (folder / "model.onnx").is_file():
            return folder.resolve()
    raise SystemExit(f"bench: no model '{name}': give a folder with model.onnx and test_data_set_0")


def find_tflite(folder):
    """The same network for LiteRT, beside the model or beside the shared test model of that name."""
    shared = ROOT.parent / "shared" / "models" / folder.name
    return next((str(file) for place in (folder, shared) for file in sorted(place.glob("*.tflite"))), None)


def recorded(folder, kind):
    files = sorted(folder.glob(f"{kind}_*.pb"), key=lambda path: int(path.stem.split("_")[1]))
    return [numpy_helper.to_array(onnx.load_tensor(str(path))) for path in files]


class Case:
    """Writes what the engines need to `folder`: input_N.npy and output_N.npy, the recorded ones `batch` times along axis 0,
    the predictor (bench, libbench_library.so), and case.json, which says where everything is."""

    def __init__(self, model, batch, options):
        self.model, self.batch = model, batch
        self.cast_for = lambda dim: dim * math.gcd(batch, options.cast_for) // batch
        self.folder = (options.build / f"{model.name}-{batch}-{options.cast_for}").resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        graph = onnx.load(str(model / "model.onnx"), load_external_data=False).graph
        constants = {tensor.name for tensor in graph.initializer}
        ports = [port for port in graph.input if port.name not in constants]
        inputs = self.tile(recorded(model / "test_data_set_0", "input"), ports)
        for kind, arrays in ("input", inputs), ("output", self.tile(recorded(model / "test_data_set_0", "output"))):
            for index, array in enumerate(arrays):
                np.save(self.folder / f"{kind}_{index}.npy", np.asarray(array, order="C"))  # scalars stay scalars
        self.names = [port.name for port in ports]
        self.build([f"{name}:{axis}={self.cast_for(dim) if axis == 0 else dim}" for name, array in zip(self.names, inputs)
                    for axis, dim in enumerate(array.shape)], options)
        self.predictor = str(self.folder / "cmake" / "bench")
        self.predictors = {"igata": self.predictor, "igata_bf16": self.predictor + "_bf16"}
        (self.folder / "case.json").write_text(json.dumps({
            "model": str(model / "model.onnx"), "batch": batch, "tflite": find_tflite(model), "inputs": len(inputs),
            "libraries": {name: str(self.folder / "cmake" / f"lib{name}_library.so") for name in ("bench", "bench_bf16")}}))

    def tile(self, arrays, ports=()):
        if self.batch == 1:
            return arrays
        for port in ports:
            dims = port.type.tensor_type.shape.dim
            if not dims or dims[0].dim_value > 0:
                raise SystemExit(f"bench: {self.model.name}: axis 0 of '{port.name}' is fixed: no --batch but 1")
        return [np.tile(array, [self.batch] + [1] * (array.ndim - 1)) for array in arrays]

    def build(self, binds, options):
        quiet = {"check": True, "stdout": subprocess.DEVNULL}
        subprocess.run(["cmake", "-S", HERE / "predictor", "-B", self.folder / "cmake", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                        f"-DIGATA_EXECUTABLE={options.igata}", f"-DBENCH_MODEL={self.model / 'model.onnx'}",
                        f"-DBENCH_BIND={';'.join(binds)}", f"-DBENCH_BF16={'igata_bf16' in options.engines}", *options.cmake],
                       **quiet)
        subprocess.run(["cmake", "--build", self.folder / "cmake"], **quiet)

    def files(self):
        """The predictor's arguments."""
        return [f"{name}={self.folder}/input_{index}.npy" for index, name in enumerate(self.names)]
