"""One engine in its own process: loads a model, then runs as many inferences as each line of standard input says.

usage: engine.py ENGINE MODEL_FOLDER THREADS IGATA BUILD_FOLDER
Writes JSON lines: first {version, create_ms, first_ms, difference}, then {times, peak_mb} for each request, or {error}.
"""

import json
import pathlib
import resource
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
