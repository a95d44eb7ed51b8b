from __future__ import annotations

from collections import deque

from clipper_server.query.claims import AGAIN_S, FIRST, Asked, Claims


class Replica:
    def __init__(self, concurrency: int = 1) -> None:
        self.concurrency = concurrency
        self.in_flight: deque[object] = deque()
        self.asking = False
        self.asked = 0

    def ask_for_credit(self) -> None:
        self.asking = True
        self.asked += 1


def asked(replicas: list[Replica]) -> int:
    return sum(replica.asked for replica in replicas)


def replicas(count: int) -> list[Replica]:
    return [Replica() for _ in range(count)]


def test_of_a_few_replicas_all_are_asked_once() -> None:
    few, claims = replicas(FIRST), Claims()
    assert claims.ask(few, 1.0) == 1.0 + AGAIN_S
    assert claims.ask(few, 1.0 + AGAIN_S) is None
    assert [replica.asked for replica in few] == [1] * FIRST


def test_one_that_is_busy_here_is_not_asked() -> None:
    two = replicas(2)
    two[0].in_flight.append("a batch")
    Claims().ask(two, 0.0)
    assert [replica.asked for replica in two] == [0, 1]


def test_one_that_works_on_several_is_asked_until_it_has_so_many_from_here() -> None:
    replica, claims = Replica(4), Claims()
    for _ in range(4):
        claims.ask([replica], 0.0)
        claims.stop()
        replica.asking = False
        replica.in_flight.append("a batch")
    claims.ask([replica], 0.0)
    assert replica.asked == 4


def test_of_many_more_are_asked_while_no_credit_comes() -> None:
    many, claims = replicas(1000), Claims()
    claims.ask(many, 0.0)
    assert asked(many) == FIRST
    assert claims.ask(many, AGAIN_S / 2) == AGAIN_S  # it is not time for more
    assert asked(many) == FIRST
    claims.ask(many, AGAIN_S)
    assert asked(many) == 3 * FIRST
    claims.stop()
    for replica in many:
        replica.asking = False
    claims.ask(many, AGAIN_S * 1.5)
    assert asked(many) == 4 * FIRST


def test_different_frontends_ask_different_ones() -> None:
    many = replicas(100)

    def last(these: list[Asked], count: int) -> list[Asked]:
        return these[-count:]

    Claims(choose=lambda these, count: last(list(these), count)).ask(many, 0.0)
    assert [replica.asked for replica in many] == [0] * (100 - FIRST) + [1] * FIRST
