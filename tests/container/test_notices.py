"""What a replica tells its owner."""

from __future__ import annotations

from clipper_container import notices


def test_notices_are_told_once_on_one_line_and_of_many_the_last() -> None:
    notices.taken()
    notices.say("two\r\nlines \udce9")
    assert notices.taken() == ["two lines \\udce9"]
    assert notices.taken() == []
    for i in range(notices.MOST + 2):
        notices.say(f"{i}" * 2000)
    told = notices.taken()
    assert len(told) == notices.MOST
    assert told[0].startswith("222")
    assert max(map(len, told)) <= 1000
