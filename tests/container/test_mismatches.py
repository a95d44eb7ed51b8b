from __future__ import annotations

from importlib.metadata import version

from clipper_container.mismatches import mismatches


def test_only_what_is_imported_and_of_another_series_is_told() -> None:
    here = version("numpy")
    series = ".".join(here.split(".")[:2])
    assert mismatches({"numpy": here, "nonsuch": "1"}, ["numpy", "nonsuch"]) == []
    assert mismatches({"numpy": f"{series}.99"}, ["numpy"]) == []
    assert mismatches({"numpy": "0.9.0"}, ["os"]) == []
    (told,) = mismatches({"numpy": "0.9.0"}, ["numpy"])
    assert told == f"numpy is {here} here, and was 0.9.0 where the model was packaged."
    (told,) = mismatches({"scikit-learn": "0.1"}, ["sklearn"])
    assert told.startswith("scikit-learn is ")
