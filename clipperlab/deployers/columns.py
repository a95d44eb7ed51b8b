"""What a fitted estimator tells of the columns that it takes."""

from __future__ import annotations

from typing import Any

from clipper_container.errors import BadRequest


def names_of(model: Any) -> list[str] | None:
    """Of the data frame that it was fitted on, in their order; None where that had no names."""
    try:
        names = getattr(model, "feature_names_in_", None)
    except Exception:  # a pipeline asks its first step, which may have none
        return None
    return None if names is None else [str(name) for name in names]


def selected_by_name(model: Any) -> list[str]:
    """Columns that it, or a part of it, selects by name, and finds in no array."""
    if names_of(model) is None or not hasattr(model, "get_params"):
        return []
    parts = [model, *model.get_params(deep=True).values()]
    selected = [columns for part in parts for _, _, columns in _transformers(part)]
    names = [each for columns in selected for each in ([columns] if isinstance(columns, str) else columns)]
    return [name for name in names if isinstance(name, str)]


def _transformers(part: Any) -> list[tuple[str, Any, Any]]:
    """Of a ColumnTransformer that was fitted, or is to be."""
    found = getattr(part, "transformers", None)
    if type(part).__name__ != "ColumnTransformer" or not isinstance(found, list):
        return []
    return [each for each in found if isinstance(each[2], str | list | tuple)]


def need_function_for_frames(what: str, func: object | None, takes: str, input_type: str) -> None:
    """Raises BadRequest where `what` takes arrays alone, and nothing makes those of columns."""
    if input_type == "dataframe" and func is None:
        raise BadRequest(
            f"{what} takes arrays, and inputs of the type dataframe have columns. Deploy it with "
            f"func({takes}), which gets them as a DataFrame; or for inputs of the type ndarray."
        )


def has_arrays(example: Any) -> bool:
    """Whether an example input is a set of named arrays."""
    return isinstance(example, dict) and any(hasattr(each, "ndim") for each in example.values())


def is_named(example: Any) -> bool:
    """Whether an example input is a row, or rows, of a data frame, with names for its columns."""
    names = getattr(example, "columns", None)
    if names is None and hasattr(example, "to_numpy"):
        names = getattr(example, "index", None)  # a series
    return names is not None and len(names) > 0 and all(isinstance(name, str) for name in names)
