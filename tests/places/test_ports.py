from __future__ import annotations

import pytest

from clipper_container.errors import BadRequest
from clipper_server.places.ports import FixedPorts, FreePorts, listen


def test_management_listens_on_this_machine_alone_and_elsewhere_where_a_port_is_taken() -> None:
    with listen(0) as listener:
        host, port = listener.getsockname()
        assert host == "127.0.0.1"
        with listen(port) as other:
            assert other.getsockname()[1] not in (0, port)


def test_a_protocol_gets_a_free_port_or_the_one_that_is_named() -> None:
    ports = FreePorts(lambda: False)
    free = ports.give(8001, None)
    assert ports.give(8001, free) == free
    assert ports.published(free) == f"127.0.0.1:{free}"
    with listen(0) as listener:
        taken = listener.getsockname()[1]
        with pytest.raises(BadRequest, match=f"The port {taken} is taken"):
            ports.give(8001, taken)
        assert ports.again(taken) not in (0, taken)
        assert FreePorts(lambda: True).again(taken) == taken  # a query frontend that runs on has it


def test_ports_that_were_published_are_all_that_there_are() -> None:
    ports = FixedPorts({8001: "127.0.0.2:20001"})
    assert ports.give(8001, None) == ports.give(8001, 20001) == ports.again(8001) == 8001
    assert ports.published(8001) == "127.0.0.2:20001"
    with pytest.raises(BadRequest, match=r"published at 127\.0\.0\.2:20001 .* leave 8001 out"):
        ports.give(8001, 8001)
    for wish in (None, 8500):
        with pytest.raises(BadRequest, match=r"name it in start_clipper\(protocols="):
            ports.give(8500, wish)
    with pytest.raises(BadRequest, match="was not"):
        ports.again(8500)
