"""An artifact: the packaged model, one file named by its digest.

A zip archive, stored without compression and with fixed times, so that the same model gives the same
digest. `manifest.json` says what it is; the other parts are the loader's.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import re
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from . import examples, inputs
from .errors import ArtifactError, BadRequest
from .sets import fields_of
from .size import compile_size
from .tensors import Tensor

FORMAT = 4
MAX_MANIFEST = 8 << 20  # an example input may be a picture; whoever reads it has other things to do
IN_THE_IMAGE = "image"
"""The loader of an artifact that holds no model: the container image does."""
_MADE_ELSEWHERE = frozenset({IN_THE_IMAGE, "mlflow", "mar", "remote"})
"""Loaders of models that were not made by what is installed where they are packaged."""
_MANIFEST = "manifest.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)


class Manifest(msgspec.Struct, frozen=True):
    """What an artifact says of itself.

    `python` is the version, and `interpreter` the path, of the Python that packaged it. `packages` are
    those that were installed there, unless the model was made elsewhere, and `requirements` those that have
    to be installed for it besides. `example_input` is in the input type's JSON form. `size` is a size
    function (see `size`); without one each input counts as one. `columns` are those of a data frame, in the
    model's order, with what each holds (see `columns`); or the arrays of named inputs (see `signature`).
    """

    format: int
    loader: str
    input_type: str
    python: str
    interpreter: str
    packages: dict[str, str]
    requirements: list[str] = []
    example_input: Any = None
    size: str | None = None
    columns: dict[str, str] | None = None

    def example_tensor(self) -> Tensor:
        """The example input as it would come over the wire. Raises BadRequest where it is not of the type."""
        fields = fields_of(self.input_type, self.columns)
        if fields is None:
            return inputs.example_tensor(self.input_type, self.example_input)
        try:
            return fields.of_rows([self.example_input])[0]
        except ValueError as error:
            raise BadRequest(
                f"The example input does not fit: {error}. It should be {fields.words()}."
            ) from None


def pack(
    path: Path,
    *,
    loader: str,
    input_type: str,
    parts: dict[str, bytes],
    example_input: object | None = None,
    size: str | None = None,
    requirements: Sequence[str] = (),
    names: Sequence[str] | Mapping[str, str] | None = None,
) -> str:
    """Write the artifact to `path`; return its digest, "sha256:<hex>".

    `names` are those of a data frame's columns, in the model's order, where it knows them; with what each
    holds, or of arrays, where it knows that too.
    Raises BadRequest where the input type is unknown, the example input is not of it, the size is no size
    function, or nothing tells the columns of a data frame, or the arrays of named inputs.
    """
    input_type = inputs.canonical(input_type)
    if size is not None:
        compile_size(size)
    example: Any = None
    columns = None
    if input_type == "dataframe":
        columns, example = examples.of_model(names, example_input)
        if columns is None and loader != IN_THE_IMAGE:
            raise BadRequest(
                "Nothing tells the columns of the data frames that the model takes. Give example_input=, a "
                "DataFrame with a row, such as the first of those that it was fitted on: X.head(1)."
            )
    elif input_type == "named":
        if isinstance(names, Mapping):
            columns, example = examples.of_signature(names, example_input)
        elif example_input is not None:
            columns, example = examples.of_arrays(example_input)
        elif loader != IN_THE_IMAGE and loader != "pipeline":
            raise BadRequest(
                "Nothing tells the arrays that the model takes. Give example_input=, a dictionary of one "
                "input's arrays, without the batch's dimension: {'ids': np.array([3, 7])}."
            )
    elif example_input is not None:
        example = inputs.to_json(input_type, example_input)
    manifest = Manifest(
        FORMAT,
        loader,
        input_type,
        platform.python_version(),
        sys.executable,
        {} if loader in _MADE_ELSEWHERE else _packages(),
        list(requirements),
        example,
        size,
        columns,
    )
    if example is not None:
        manifest.example_tensor()
    written = msgspec.json.encode(manifest)
    if len(written) > MAX_MANIFEST:
        raise BadRequest(
            f"The example input takes {len(written) >> 20} MiB as JSON, and {MAX_MANIFEST >> 20} MiB is the "
            "most. Give a smaller one, or none."
        )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in [(_MANIFEST, written), *sorted(parts.items())]:
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    return digest(path)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path, expected_digest: str) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest and the parts of the artifact at `path`.

    Raises ArtifactError where the file is not what the digest names, or comes from another format or
    another Python.
    """
    actual = digest(path)
    if actual != expected_digest:
        raise ArtifactError(
            f"The artifact is damaged: its digest is {actual}, not {expected_digest}. "
            "Deploy the model again under a new version."
        )
    manifest = read_manifest(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist() if name != _MANIFEST}
    if manifest.format != FORMAT:
        raise ArtifactError(
            f"The artifact has format {manifest.format}, and this container reads format {FORMAT}. "
            "Use the same version of clipperlab on both sides."
        )
    here = platform.python_version()
    if manifest.loader != IN_THE_IMAGE and _minor(manifest.python) != _minor(here):
        raise ArtifactError(
            f"The model was packaged with Python {manifest.python}, and this container runs Python "
            f"{here}. Pickled functions need the same minor version: deploy from Python {_minor(here)}, "
            f"or run the cluster with Python {_minor(manifest.python)}."
        )
    return manifest, parts


def read_manifest(path: Path) -> Manifest:
    """What the artifact at `path` says of itself. Raises ArtifactError where it is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                raise ArtifactError(
                    "This is no artifact of Clipper Lab: it is compressed. Package the model anew."
                )
            if (size := archive.getinfo(_MANIFEST).file_size) > MAX_MANIFEST:
                raise ArtifactError(
                    f"The artifact's manifest has {size >> 20} MiB, and {MAX_MANIFEST >> 20} MiB is the "
                    "most. Package the model with a smaller example input."
                )
            return msgspec.json.decode(archive.read(_MANIFEST), type=Manifest)
    except (zipfile.BadZipFile, KeyError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ArtifactError(
            f"This is no artifact of Clipper Lab ({error}). Package the model with a deployer."
        ) from None


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _packages() -> dict[str, str]:
    named = map(_name_and_version, importlib.metadata.distributions())
    return dict(sorted((name.lower(), version) for name, version in named if name))


def _name_and_version(package: importlib.metadata.Distribution) -> tuple[str, str]:
    """From the headers alone. Below them is a README: to parse those of all packages takes half a second."""
    words = package.read_text("METADATA") or package.read_text("PKG-INFO") or package.read_text("") or ""
    found = dict(re.findall(r"^(Name|Version): *(.*\S)", words.partition("\n\n")[0], re.MULTILINE))
    return found.get("Name", ""), found.get("Version", "")
