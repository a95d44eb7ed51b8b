from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from tests.tools.demo_picture import PICTURE, draw

SVG = "{http://www.w3.org/2000/svg}"


def test_each_line_comes_at_its_time() -> None:
    picture = draw([(4.0, "started"), (8.0, ""), (60.0, "a < b")])
    texts = [text.text for text in ElementTree.fromstring(picture).iter(f"{SVG}text")]
    assert texts == ["$ clipperlab demo    # 4 times as fast", "started", "a < b"]
    assert "@keyframes line-0 { 0%, 5.00% { opacity: 0 }" in picture
    assert "@keyframes line-2 { 0%, 75.00% { opacity: 0 }" in picture


def test_the_readmes_picture_is_of_a_demo_that_held() -> None:
    assert "Everything held." in PICTURE.read_text(encoding="utf-8")
