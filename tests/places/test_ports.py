from __future__ import annotations

from clipper_server.places.ports import listen


def test_management_listens_on_this_machine_alone_and_elsewhere_where_a_port_is_taken() -> None:
    with listen(0) as listener:
        host, port = listener.getsockname()
        assert host == "127.0.0.1"
        with listen(port) as other:
            assert other.getsockname()[1] not in (0, port)
