"""A model in 8 bits: QuantizeLinear and DequantizeLinear around every layer, weights with a scale per channel.

ONNX Runtime's quantizer calibrates on the recorded inputs. Writes OUT/model.onnx and OUT/test_data_set_0, whose results are
ONNX Runtime's with its graph optimisations off: each operator as the specification has it.
"""

import argparse
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnx.version_converter
import onnxruntime
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from case import find_model, recorded


class Recorded(CalibrationDataReader):
    """The recorded inputs that have the shapes of the first ones, one after another."""

    def __init__(self, folder, names, inputs):
        sets = [recorded(data, "input") for data in sorted(folder.glob("test_data_set_*"))]
        alike = [arrays for arrays in sets if [array.shape for array in arrays] == [array.shape for array in inputs]]
        self.feeds = iter([dict(zip(names, arrays)) for arrays in alike])

    def get_next(self):
        return next(self.feeds, None)


def bound(folder, inputs):
    """The model in an opset that knows scales per channel, with the shapes of the inputs: the quantizer wants to know them."""
    model = onnx.load(str(folder / "model.onnx"))
    constants = {tensor.name for tensor in model.graph.initializer}
    for port in [port for port in model.graph.input if port.name in constants]:
        model.graph.input.remove(port)
    if next(opset.version for opset in model.opset_import if opset.domain == "") < 13:
        model = onnx.version_converter.convert_version(model, 13)
    for port, array in zip(model.graph.input, inputs):
        for dim, extent in zip(port.type.tensor_type.shape.dim, array.shape):
            dim.dim_value = extent
    del model.graph.value_info[:]
    for port in model.graph.output:
        port.type.tensor_type.ClearField("shape")
    return onnx.shape_inference.infer_shapes(model)


def quantize(folder, out, activations):
    inputs = recorded(folder / "test_data_set_0", "input")
    model = bound(folder, inputs)
    names = [port.name for port in model.graph.input]
    data = out / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        plain, prepared = f"{work}/plain.onnx", f"{work}/prepared.onnx"
        onnx.save(model, plain)
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        quantize_static(prepared, out / "model.onnx", Recorded(folder, names, inputs), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=activations, weight_type=QuantType.QInt8)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(out / "model.onnx"), options, providers=["CPUExecutionProvider"])
    outputs = session.run(None, dict(zip(names, inputs)))
    for kind, arrays in ("input", inputs), ("output", outputs):
        for index, array in enumerate(arrays):
            onnx.save_tensor(numpy_helper.from_array(np.asarray(array, order="C")), str(data / f"{kind}_{index}.pb"))


def main():
    parser = argparse.ArgumentParser(prog="./run quantize", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder with model.onnx and test_data_set_*, or the name of an example or test model")
    parser.add_argument("out", type=pathlib.Path, help="the folder to write")
    parser.add_argument("--activations", choices=("u8", "s8"), default="u8", help="their type (default: u8)")
    options = parser.parse_args()
    activations = QuantType.QUInt8 if options.activations == "u8" else QuantType.QInt8
    quantize(find_model(options.model), options.out, activations)


if __name__ == "__main__":
    sys.exit(main())
