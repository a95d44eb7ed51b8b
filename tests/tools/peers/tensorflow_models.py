"""Makes the models that `make peers` deploys, in a folder: runs in the environment that has TensorFlow."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf


class Half(tf.Module):  # type: ignore[misc]
    """TensorFlow Serving's own example: y = x / 2 + 2."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])  # type: ignore[untyped-decorator]
    def __call__(self, x: Any) -> Any:
        return {"y": x / 2 + 2}


class Two(tf.Module):  # type: ignore[misc]
    """Two inputs, and two outputs."""

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[
            tf.TensorSpec([None, 1], tf.float32, "age"),
            tf.TensorSpec([None], tf.string, "city"),
        ]
    )
    def __call__(self, age: Any, city: Any) -> Any:
        return {"twice": age[:, 0] * 2, "shout": tf.strings.upper(city)}


def main(folder: Path) -> None:
    for name, module in (("half", Half()), ("two", Two())):
        tf.saved_model.save(module, str(folder / name), {"serving_default": module.__call__})
    layer = tf.keras.layers.Dense(1)
    model = tf.keras.Sequential([tf.keras.Input([2], name="x"), layer])
    layer.set_weights([np.array([[2.0], [3.0]], "f4"), np.array([1.0], "f4")])
    model.save(folder / "dense.keras")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
