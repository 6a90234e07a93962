"""One engine in its own process.

usage: engine.py ENGINE CASE_FOLDER THREADS           runs as many inferences as each line of standard input says
       engine.py ENGINE CASE_FOLDER THREADS --once    a line at the first result, then one with the peak memory
Writes JSON lines: first {version, create_ms, first_ms, difference}, then {times} for each request, or {error}.
The engine `none` does everything but load and run a model: what Python and numpy cost.
"""

import ctypes
import json
import pathlib
import sys
import time

import numpy as np


class Nothing:
    version = ""

    def __init__(self, *_):
        pass

    def run(self):
        return []


class OnnxRuntime:
    def __init__(self, case, threads, inputs):
        import onnxruntime
        self.version = onnxruntime.__version__
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(case["model"], options, providers=["CPUExecutionProvider"])
        self.feed = {port.name: array for port, array in zip(self.session.get_inputs(), inputs)}

    def run(self):
        return self.session.run(None, self.feed)


class OpenVino:
    def __init__(self, case, threads, inputs):
        import openvino
        self.version = openvino.__version__.split("-")[0]
        core = openvino.Core()
        model = core.read_model(case["model"])
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
    def __init__(self, case, threads, inputs):
        from importlib.metadata import version
        from ai_edge_litert.interpreter import Interpreter
        self.version = version("ai-edge-litert")
        if case["tflite"] is None:
            raise RuntimeError("no .tflite file of this model")
        self.interpreter = Interpreter(case["tflite"], num_threads=threads)
        port = self.interpreter.get_input_details()[0]
        if list(port["shape"]) != list(inputs[0].shape):
            self.interpreter.resize_tensor_input(port["index"], inputs[0].shape)
        self.interpreter.allocate_tensors()
        self.input = port["index"]
        self.output = self.interpreter.get_output_details()[0]["index"]
        self.image = inputs[0]

    def run(self):
        self.interpreter.set_tensor(self.input, self.image)
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(self.output)]


class TensorInfo(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("dtype", ctypes.c_int), ("rank", ctypes.c_int),
                ("dims", ctypes.POINTER(ctypes.c_int64)), ("bytes", ctypes.c_size_t),
                ("open_axis", ctypes.c_int), ("size_output", ctypes.c_int)]


class PredictorInfo(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("input_count", ctypes.c_int), ("output_count", ctypes.c_int),
                ("inputs", ctypes.POINTER(TensorInfo)), ("outputs", ctypes.POINTER(TensorInfo))]


class Options(ctypes.Structure):
    _fields_ = [("threads", ctypes.c_int), ("weights", ctypes.c_char_p)]


class DnnlVersion(ctypes.Structure):
    _fields_ = [("major", ctypes.c_int), ("minor", ctypes.c_int), ("patch", ctypes.c_int)]


DTYPES = [None, np.float32, np.float64, np.float16, np.uint16, np.int8, np.int16, np.int32, np.int64,
          np.uint8, np.uint16, np.uint32, np.uint64, np.bool_]


class Igata:
    """The predictor that `igata compile` casts, as a shared library behind its C interface (see runtime/predictor_abi.h)."""

    predictor = "bench"

    def __init__(self, case, threads, inputs):
        self.library = ctypes.CDLL(case["libraries"][self.predictor])
        self.version = self.onednn()
        self.function("info").restype = ctypes.POINTER(PredictorInfo)
        model = ctypes.c_void_p()
        self.check(self.function("model_create")(ctypes.byref(Options(threads, None)), ctypes.byref(model)))
        self.context = ctypes.c_void_p()
        self.check(self.function("context_create")(model, ctypes.byref(self.context)))
        info = self.function("info")().contents
        self.inputs = inputs
        rows = inputs[0].shape[0] if case["batch"] > 1 else 0
        repeats = rows // info.inputs[0].dims[0] if rows else 1
        self.outputs = [np.empty([port.dims[i] * (repeats if i == 0 else 1) for i in range(port.rank)], DTYPES[port.dtype])
                        for port in info.outputs[:info.output_count]]
        self.arguments = (self.context, self.pointers(self.inputs), self.pointers(self.outputs), ctypes.c_int64(rows))

    def function(self, name):
        return getattr(self.library, f"{self.predictor}_{name}")

    def onednn(self):
        try:
            self.library.dnnl_version.restype = ctypes.POINTER(DnnlVersion)
        except AttributeError:
            return "on a oneDNN that is linked in"
        version = self.library.dnnl_version().contents
        return f"on oneDNN {version.major}.{version.minor}.{version.patch}"

    def check(self, status):
        if status != 0:
            self.function("last_error").restype = ctypes.c_char_p
            raise RuntimeError(self.function("last_error")().decode())

    @staticmethod
    def pointers(arrays):
        return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))

    def run(self):
        self.check(self.function("run")(*self.arguments))
        return self.outputs


class IgataBf16(Igata):
    """With --precision bf16."""

    predictor = "bench_bf16"


ENGINES = {"igata": Igata, "igata_bf16": IgataBf16, "onnxruntime": OnnxRuntime, "openvino": OpenVino, "litert": LiteRt, "none": Nothing}


def milliseconds(function):
    start = time.perf_counter()
    result = function()
    return (time.perf_counter() - start) * 1e3, result


def peak_mb():
    """What this process held at most. (getrusage counts the parent's memory too, before the exec.)"""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def say(**what):
    print(json.dumps(what), flush=True)


def main():
    name, folder, threads = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
    case = json.loads((folder / "case.json").read_text())
    inputs = [np.load(folder / f"input_{index}.npy") for index in range(case["inputs"])]
    try:
        create_ms, engine = milliseconds(lambda: ENGINES[name](case, threads, inputs))
        first_ms, outputs = milliseconds(engine.run)
    except Exception as error:  # an engine that is not there must not end the comparison
        return say(error=f"{type(error).__name__}: {error}")
    if "--once" in sys.argv:
        say()
        for _ in range(3):
            engine.run()
        return say(peak_mb=peak_mb())
    difference = max(float(np.abs(np.asarray(array, np.float64) - np.load(folder / f"output_{index}.npy")).max())
                     for index, array in enumerate(outputs))
    say(version=engine.version, create_ms=create_ms, first_ms=first_ms, difference=difference)
    for line in sys.stdin:
        say(times=[milliseconds(engine.run)[0] for _ in range(int(line))])


if __name__ == "__main__":
    main()
