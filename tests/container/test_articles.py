from __future__ import annotations

import numpy as np

from clipper_container.articles import type_of, with_article


def test_a_noun_has_its_article() -> None:
    assert [type_of(value) for value in ([], 1, object(), np.zeros(1), np.uint8(1), 1.0, np.int64(1))] == [
        *("a list", "an int", "an object", "an ndarray", "a uint8", "a float", "an int64")
    ]
    assert with_article("ImageFile") == "an ImageFile"
