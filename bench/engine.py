"""One engine in its own process: loads a model, then runs as many inferences as each line of standard input says.

usage: engine.py ENGINE MODEL_FOLDER THREADS IGATA BUILD_FOLDER
Writes JSON lines: first {version, create_ms, first_ms, difference}, then {times, peak_mb} for each request, or {error}.
"""

import ctypes
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

import numpy as np
import onnx
from onnx import numpy_helper


def load_data_set(folder):
    def read(kind):
        files = sorted(folder.glob(f"{kind}_*.pb"), key=lambda path: int(path.stem.split("_")[1]))
        return [numpy_helper.to_array(onnx.load_tensor(str(path))) for path in files]
    return read("input"), read("output")


class OnnxRuntime:
    def __init__(self, folder, threads, inputs, *_):
        import onnxruntime
        self.version = onnxruntime.__version__
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options,
                                                    providers=["CPUExecutionProvider"])
        self.feed = {port.name: array for port, array in zip(self.session.get_inputs(), inputs)}

    def run(self):
        return self.session.run(None, self.feed)


class OpenVino:
    def __init__(self, folder, threads, inputs, *_):
        import openvino
        self.version = openvino.__version__.split("-")[0]
        core = openvino.Core()
        model = core.read_model(folder / "model.onnx")
        model.reshape({index: openvino.PartialShape(list(array.shape)) for index, array in enumerate(inputs)})
        config = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
                  "INFERENCE_PRECISION_HINT": "f32"}
        self.request = core.compile_model(model, "CPU", config).create_infer_request()
        self.outputs = len(model.outputs)
        for index, array in enumerate(inputs):
            self.request.set_input_tensor(index, openvino.Tensor(array))

    def run(self):
        self.request.infer()
        return [self.request.get_output_tensor(index).data for index in range(self.outputs)]


class LiteRt:
    def __init__(self, folder, threads, inputs, *_):
        from importlib.metadata import version
        from ai_edge_litert.interpreter import Interpreter
        self.version = version("ai-edge-litert")
        shared = pathlib.Path(__file__).resolve().parents[2] / "shared" / "models" / folder.name
        files = [*folder.glob("*.tflite"), *shared.glob("*.tflite")]
        if not files:
            raise RuntimeError("no .tflite file of this model")
        self.interpreter = Interpreter(str(files[0]), num_threads=threads)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]["index"]
        self.output = self.interpreter.get_output_details()[0]["index"]
        self.image = inputs[0]

    def run(self):
        self.interpreter.set_tensor(self.input, self.image)
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(self.output)]


class TensorInfo(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("dtype", ctypes.c_int), ("rank", ctypes.c_int),
                ("dims", ctypes.POINTER(ctypes.c_int64)), ("bytes", ctypes.c_size_t)]


class PredictorInfo(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("input_count", ctypes.c_int), ("output_count", ctypes.c_int),
                ("inputs", ctypes.POINTER(TensorInfo)), ("outputs", ctypes.POINTER(TensorInfo))]


class Options(ctypes.Structure):
    _fields_ = [("threads", ctypes.c_int), ("weights", ctypes.c_char_p)]


DTYPES = [None, np.float32, np.float64, np.float16, np.uint16, np.int8, np.int16, np.int32, np.int64,
          np.uint8, np.uint16, np.uint32, np.uint64, np.bool_]


class Igata:
    """The predictor that `igata compile` casts, as a shared library behind its C interface (see runtime/predictor_abi.h)."""

    def __init__(self, folder, threads, inputs, library):
        self.version = "cast"
        self.library = ctypes.CDLL(str(library))
        self.library.bench_info.restype = ctypes.POINTER(PredictorInfo)
        model = ctypes.c_void_p()
        self.check(self.library.bench_model_create(ctypes.byref(Options(threads, None)), ctypes.byref(model)))
        self.context = ctypes.c_void_p()
        self.check(self.library.bench_context_create(model, ctypes.byref(self.context)))
        info = self.library.bench_info().contents
        self.inputs = [np.ascontiguousarray(array) for array in inputs]
        self.outputs = [np.empty([port.dims[i] for i in range(port.rank)], DTYPES[port.dtype])
                        for port in info.outputs[:info.output_count]]
        self.arguments = (self.context, self.pointers(self.inputs), self.pointers(self.outputs), ctypes.c_int64(0))

    def check(self, status):
        if status != 0:
            self.library.bench_last_error.restype = ctypes.c_char_p
            raise RuntimeError(self.library.bench_last_error().decode())

    @staticmethod
    def pointers(arrays):
        return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))

    def run(self):
        self.check(self.library.bench_run(*self.arguments))
        return self.outputs


def cast(folder, igata, build, inputs):
    """Casts and compiles the model; the library is made anew when the compiler or the model is newer."""
    model = folder / "model.onnx"
    out = build / folder.name
    library = out / "libbench.so"
    newest = max(igata.stat().st_mtime, model.stat().st_mtime)
    if library.is_file() and library.stat().st_mtime > newest:
        return library
    out.mkdir(parents=True, exist_ok=True)
    names = [port.name for port in onnx.load(str(model), load_external_data=False).graph.input]
    binds = [word for name, array in zip(names, inputs) for axis, dim in enumerate(array.shape)
             for word in ("--bind", f"{name}:{axis}={dim}")]
    subprocess.run([igata, "compile", model, "-o", out, "--name", "bench", "--weights", "incbin", *binds], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run([os.environ.get("CXX", "c++"), "-std=c++17", "-O2", "-fopenmp", "-shared", "-fPIC", "bench.cpp", "-o",
                    library.name, "-ldnnl"], check=True, cwd=out)
    return library


ENGINES = {"igata": Igata, "onnxruntime": OnnxRuntime, "openvino": OpenVino, "litert": LiteRt}


def milliseconds(function):
    start = time.perf_counter()
    result = function()
    return (time.perf_counter() - start) * 1e3, result


def main():
    name, folder, threads, igata, build = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]), *map(pathlib.Path, sys.argv[4:])
    inputs, expected = load_data_set(folder / "test_data_set_0")
    try:
        library = cast(folder, igata, build, inputs) if name == "igata" else None
        create_ms, engine = milliseconds(lambda: ENGINES[name](folder, threads, inputs, library))
        first_ms, outputs = milliseconds(engine.run)
    except Exception as error:  # an engine that is not there must not end the comparison
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
        return
    difference = max(float(np.abs(np.asarray(a, np.float64) - b).max()) for a, b in zip(outputs, expected))
    print(json.dumps({"version": engine.version, "create_ms": create_ms, "first_ms": first_ms, "difference": difference}),
          flush=True)
    for line in sys.stdin:
        times = [milliseconds(engine.run)[0] for _ in range(int(line))]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"times": times, "peak_mb": peak}), flush=True)


if __name__ == "__main__":
    main()
