"""Makes an object of the class that the container image names: the model is in the image.

CLIPPER_MODEL       the class, "package.module:Class", which is made without arguments
CLIPPER_MODEL_PATH  the folder of the model's data; it is the working directory, and modules are found in it
"""

from __future__ import annotations

import os
import sys

from ..container import Predict
from ..errors import ArtifactError
from .custom import answering, find_class

NAME, PATH = "CLIPPER_MODEL", "CLIPPER_MODEL_PATH"


def load(parts: dict[str, bytes], input_type: str) -> Predict:
    if not os.environ.get(NAME):
        raise ArtifactError(
            f"The image names no model. Set {NAME} in it to the class that answers, such as my_module:Model."
        )
    if folder := os.environ.get(PATH):
        os.chdir(folder)
        sys.path.insert(0, folder)
    module, _, attribute = os.environ[NAME].partition(":")
    return answering(find_class(module, attribute)(), input_type)
