"""Live views: widgets that a watch keeps up to date, as long as they are among the newest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import ipywidgets as widgets

from ..display import live
from ..management import Management
from ..operations import Operations
from ..places import ContainerManager
from . import glance
from .layout import style
from .watch import Seen, Watch

LIVE = 12  # views of one connection; the kernel is never told that one was closed in the browser

RESTS = (
    '<div role="status">This view rests, for newer ones are shown below or above it. Run its cell again to '
    "wake it.</div>"
)


class View(widgets.VBox):
    """A widget that shows a cluster, and says so where there is something wrong with it."""

    kind: ClassVar[live.Kind] = "cluster"
    _name = ""  # of the application or the model that it shows, or of whose rollout

    def __init__(self, conn: Operations, children: list[widgets.Widget]) -> None:
        self.conn = conn
        self.banner = widgets.HTML()
        super().__init__([style(), self.banner, *children])
        self.add_class("clipper-view")
        self.add_class("clipper-form")

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        saved = live.saved(self.conn.cm.cluster_name, self.kind, self._name, self.still())
        return {**super()._repr_mimebundle_(**kwargs), **saved}

    def still(self) -> str:
        """HTML that stands still, which a saved notebook shows elsewhere: of what it shows, the tables."""
        return "".join(child.value for child in self.children if type(child) is widgets.HTML)

    def begin(self, seen: Seen) -> None:
        """Called once, before the first `show`: for what depends on what there is."""

    def show(self, seen: Seen, management: Management | None) -> None:
        """Bring it up to date. Called about once a second, from the watch's thread."""
        raise NotImplementedError


V = TypeVar("V", bound=View)


class Viewing:
    """The live views of one connection."""

    def __init__(self, manager: ContainerManager) -> None:
        self.watch = Watch(manager)
        self._live: deque[tuple[View, Callable[[], None]]] = deque()

    def begin(self, view: V) -> V:
        """Keep it up to date from now on; return it. The oldest of too many rests."""

        def show(seen: Seen, management: Management | None) -> None:
            set_value(view.banner, glance.trouble(seen))
            view.show(seen, management)

        view.begin(self.watch.look())
        show(self.watch.seen, None)
        self._live.append((view, self.watch.listen(show)))
        while len(self._live) > LIVE:
            old, end = self._live.popleft()
            end()
            old.banner.value = RESTS
        return view

    def end(self) -> None:
        """All views rest."""
        while self._live:
            self._live.popleft()[1]()


def set_value(widget: Any, value: object) -> None:
    """Set it where it differs: what is set goes to the browser, where a selection in it is lost then."""
    if widget.value != value:
        widget.value = value


def set_shown(widget: widgets.DOMWidget, is_shown: bool) -> None:
    """Let it be there, or take no room."""
    display = None if is_shown else "none"
    if widget.layout.display != display:
        widget.layout.display = display
