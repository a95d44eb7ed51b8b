"""Where a cluster of processes answers: what it wishes for, or what nobody else has or is about to have."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path

from clipper_server.cluster import ClusterFolder
from clipper_server.places import Ground
from clipper_server.places.ports import listen
from clipper_server.places.process.ground import of_processes


class Kept(dict[str, str]):
    def set(self, key: str, value: str) -> None:
        self[key] = value


def ground(stack: ExitStack, path: Path, wish: int, kept: Kept | None = None) -> Ground:
    folder = ClusterFolder(path)
    folder.make()
    made = of_processes(folder, Kept() if kept is None else kept, "token", wish, 0)
    stack.enter_context(closing(made.listener))
    stack.enter_context(closing(made.manager.query_listener))  # type: ignore[attr-defined]
    return made


def test_two_clusters_that_start_at_the_same_time_do_not_get_the_same_port(tmp_path: Path) -> None:
    with listen(0) as found:
        wish = found.getsockname()[1]
    with ExitStack() as stack:
        first = ground(stack, tmp_path / "a", wish)
        second = ground(stack, tmp_path / "b", wish)  # no query frontend of the first one runs yet
        assert second.addresses.query != first.addresses.query


def test_a_cluster_that_comes_back_has_the_ports_that_it_had(tmp_path: Path) -> None:
    kept = Kept()
    with ExitStack() as stack:
        before = ground(stack, tmp_path / "a", 0, kept)
    with ExitStack() as stack:
        assert ground(stack, tmp_path / "a", 0, kept).addresses == before.addresses
