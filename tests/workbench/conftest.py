from __future__ import annotations

from collections.abc import Iterator

import pytest
from comm import create_comm
from ipywidgets import Widget


@pytest.fixture(scope="module", autouse=True)
def nobody_looks() -> Iterator[None]:
    """No kernel hands what widgets are to a page: to work that out for each of a panel's thousand would take
    a third of these tests' time."""

    def open_widget(self: Widget) -> None:
        if self.comm is None:
            again = {} if self._model_id is None else {"comm_id": self._model_id}
            self.comm = create_comm(target_name="jupyter.widget", **again)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Widget, "open", open_widget)
        yield
