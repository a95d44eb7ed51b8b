"""Messages that are described in Python are protobuf's."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import any_pb2, descriptor_pb2

from clipper_server.query.protocols.protos import Protos

DESCRIBED = {
    "Colour": {"RED": 0, "BLUE": 1},
    "Paint": {
        "name": (1, "string"),
        "coats": (2, "[Coat]"),
        "parts_of_it": (3, "{string: Coat}"),
        "gloss": (4, "bool", "finish"),
        "grain": (5, "double", "finish"),
        "numbers": (6, "[int64]"),
        "more": (7, "google.protobuf.Any"),
        "left": (8, "string", "leaning"),
        "Coat": {"colour": (1, "Colour"), "kind": (2, "Kind"), "Kind": {"DRY": 0, "WET": 7}},
    },
    "Nothing": {},
}
SERVICES = {
    "Painting": {
        "Mix": ("Paint", "Nothing"),
        "Watch": ("Nothing", "stream Paint"),
        "Pour": ("stream Paint",) * 2,
    }
}


def family() -> tuple[Protos, Any]:
    protos = Protos(any_pb2)
    return protos, protos.add("shop.paints", DESCRIBED, SERVICES)


def test_a_message_is_what_its_description_says() -> None:
    _, shop = family()
    paint = shop.Paint(name="sea", numbers=[1, -2], coats=[shop.Paint.Coat(colour=shop.Colour.BLUE)])
    paint.parts_of_it["top"].kind = 7
    paint.gloss = True
    paint.grain = 0.5
    paint.more.Pack(shop.Nothing())
    again = shop.Paint.FromString(paint.SerializeToString())
    assert again == paint
    assert again.WhichOneof("finish") == "grain"
    assert again.WhichOneof("leaning") is None
    assert again.coats[0].colour == shop.Colour.BLUE
    assert again.parts_of_it["top"].kind == shop.Paint.Coat.WET
    assert again.more.TypeName() == "shop.paints.Nothing"
    # As protoc's own classes write it: field 1 with its length, numbers packed.
    assert shop.Paint(name="sea", numbers=[1, 2]).SerializeToString() == b"\x0a\x03sea\x32\x02\x01\x02"


def test_families_share_no_names() -> None:
    _, one = family()
    other = Protos().add("shop.paints", {"Paint": {"other": (1, "int32")}})
    assert one.Paint(name="sea").name == "sea"
    assert other.Paint(other=3).other == 3


def test_what_was_added_before_may_be_used() -> None:
    protos, _ = family()
    order = protos.add(
        "shop", {"Order": {"paint": (1, "paints.Paint"), "colour": (2, ".shop.paints.Colour")}}
    )
    message = order.Order(colour=1)
    message.paint.name = "sea"
    assert order.Order.FromString(message.SerializeToString()) == message


def test_methods_have_their_paths_and_classes() -> None:
    protos, shop = family()
    assert protos.services == ["shop.paints.Painting"]
    assert protos.methods["/shop.paints.Painting/Mix"] == (shop.Paint, shop.Nothing, False, False)
    assert protos.methods["/shop.paints.Painting/Watch"] == (shop.Nothing, shop.Paint, False, True)
    assert protos.methods["/shop.paints.Painting/Pour"] == (shop.Paint, shop.Paint, True, True)


@pytest.mark.parametrize("symbol", ["shop.paints.Painting", "shop.paints.Paint.Coat", "shop.paints.Colour"])
def test_a_symbol_is_described_by_its_file_and_what_that_needs(symbol: str) -> None:
    protos, _ = family()
    files = [descriptor_pb2.FileDescriptorProto.FromString(file) for file in protos.files_of(symbol)]
    assert [file.name for file in files] == ["shop/paints.proto", "google/protobuf/any.proto"]
    with pytest.raises(KeyError):
        protos.files_of("shop.paints.Nobody")


def test_a_type_that_nobody_described_is_no_type() -> None:
    with pytest.raises(TypeError):
        Protos().add("shop", {"Order": {"paint": (1, "Paint")}})
