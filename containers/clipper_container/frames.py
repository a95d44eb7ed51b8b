"""What a model that takes data frames gets: a pandas DataFrame, with its columns in its order."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .coroutines import ends_in_time, is_async
from .errors import ArtifactError
from .fields import ANY, TEXT
from .named import Named


class Framed:
    """Answers batches of rows by `predict`, which takes a DataFrame.

    Without `columns` it gets those that its inputs have. Raises ArtifactError where pandas is missing.
    """

    def __init__(self, predict: Callable[[Any], Any], columns: Mapping[str, str] | None) -> None:
        try:
            self._pandas: Any = importlib.import_module("pandas")
        except ImportError as error:
            raise ArtifactError(
                f"The model takes data frames, and pandas cannot be imported here ({error}). Deploy it with "
                "pkgs_to_install=['pandas']; or install pandas where its replicas run."
            ) from None
        self._predict = predict
        self._columns = columns

    @property
    def is_async(self) -> bool:
        return is_async(self._predict)

    @property
    def ends_in_time(self) -> bool:
        return ends_in_time(self._predict)

    def __call__(self, inputs: Named | Sequence[dict[str, Any]]) -> Any:
        return self._predict(self.frame(inputs))

    def frame(self, inputs: Named | Sequence[dict[str, Any]]) -> Any:
        """The DataFrame. Raises ValueError where inputs lack columns of the model, or have others in them."""
        types = self._columns
        if types is None:
            return self._pandas.DataFrame(list(inputs))
        given = inputs.columns if isinstance(inputs, Named) else _transposed(inputs, types)
        missing = [name for name in types if name not in given]
        if missing:
            raise ValueError(
                f"an input lacks the column {missing[0]!r}, which this version of the model takes"
            )
        columns = {name: _column(name, kind, given[name]) for name, kind in types.items()}
        return self._pandas.DataFrame(columns)


def _transposed(rows: Sequence[dict[str, Any]], names: Mapping[str, str]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in names if all(name in row for row in rows)}


def _column(name: str, kind: str, values: Any) -> Any:
    """The values as the model knows them, which come so as a rule."""
    if kind == TEXT:
        # As pandas has texts that are missing: scikit-learn's imputers know no other.
        return [np.nan if value is None else value for value in values] if None in values else values
    if kind == ANY:
        return values
    try:
        return np.asarray(values, kind)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"the column {name!r} is to hold {kind}: {error}") from None
