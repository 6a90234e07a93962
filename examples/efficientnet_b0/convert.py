"""Keras EfficientNet-B0 to ONNX, and the numbers that Igata's predictor must give.

Builds EfficientNet-B0's feature vector (224x224x3, NHWC, 0..255) with Dense(1, sigmoid), converts it with tf2onnx, and holds
ONNX Runtime against Keras on an image of zeros and an image of ones. No weights are downloaded: without --weights they
are random, from a fixed seed, with BatchNormalization settled on noise.

Writes OUT/model.onnx and OUT/test_data_set_{0,1}/{input,output}_0.pb, which `igata verify` and TEST_DATA replay.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import tf2onnx
import tf_keras as keras

TOLERANCE = 2e-5


def build(weights):
    """The classifier: EfficientNet-B0 without its top, averaged to 1280 features, and one sigmoid."""
    keras.utils.set_random_seed(1)
    image = keras.Input((224, 224, 3), name="image")
    features = keras.applications.EfficientNetB0(include_top=False, weights=None, pooling="avg", input_tensor=image)
    probability = keras.layers.Dense(1, activation="sigmoid", name="dense")(features.output)
    model = keras.Model(image, probability)
    if weights:
        model.load_weights(weights)
    else:
        settle(model)
    return model


def settle(model):
    """Gives random weights the statistics of a trained network: without that, the signal dies out and every image gets 0.5."""
    random = np.random.default_rng(1)
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in layers:
        layer.gamma.assign(random.uniform(0.8, 1.2, layer.gamma.shape))
        layer.beta.assign(random.normal(0.0, 0.2, layer.beta.shape))
        layer.momentum = 0.0
    noise = random.uniform(0.0, 255.0, (8, 7, 7, 3)).repeat(32, axis=1).repeat(32, axis=2)
    noise *= np.linspace(0.0, 1.0, 8).reshape(8, 1, 1, 1)  # from black to bright
    model(tf.constant(noise, tf.float32), training=True)


def convert(model, opset):
    """tf2onnx, with the input named and typed; the batch stays symbolic."""
    signature = (tf.TensorSpec((None, 224, 224, 3), tf.float32, name="image"),)
    proto, _ = tf2onnx.convert.from_keras(model, input_signature=signature, opset=opset)
    return proto


def write_data_set(folder, image, probability):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (("input_0", image), ("output_0", probability)):
        (folder / f"{name}.pb").write_bytes(onnx.numpy_helper.from_array(array, name).SerializeToString())
        np.save(folder / f"{name}.npy", array)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("tutorial"), help="folder to write to")
    parser.add_argument("--weights", help="your own weights of this model: a .h5 file that Keras saved")
    parser.add_argument("--opset", type=int, default=17)
    args = parser.parse_args()

    model = build(args.weights)
    proto = convert(model, args.opset)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    print(f"{path}: {len(proto.graph.node)} nodes, opset {args.opset}, {path.stat().st_size / 1e6:.1f} MB")

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for index, (name, value) in enumerate((("all zeros", 0.0), ("all ones", 1.0))):
        image = np.full((1, 224, 224, 3), value, np.float32)
        expected = model(image, training=False).numpy()
        actual = session.run(None, {session.get_inputs()[0].name: image})[0]
        worst = max(worst, float(np.abs(expected - actual).max()))
        print(f"{name}: Keras {expected[0, 0]:.7f}, ONNX Runtime {actual[0, 0]:.7f}")
        write_data_set(args.out / f"test_data_set_{index}", image, expected)
    if worst > TOLERANCE:
        raise SystemExit(f"Keras and ONNX Runtime differ by {worst:.1e}, more than {TOLERANCE:.0e}")


if __name__ == "__main__":
    main()
