"""What every resolver of an audience has to keep, kept by tags and their expressions."""

from __future__ import annotations

from onepush_core import Selector
from onepush_core.testing import AudienceResolverConformance
from onepush_tags import create


class Tags(AudienceResolverConformance):
    """Devices with a tag of their own, and others without."""

    name = "tags"
    own_kinds = ("TAG", "TAG_EXPR")

    def make_plugin(self):
        return create({})

    def meant(self, number):
        return {"alias": f"ann{number}", "nativeToken": f"vip-{number}", "tag": ["vip", f"n{number % 3}"]}

    def not_meant(self, number):
        return {"alias": f"ben{number}", "nativeToken": f"plain-{number}", "tag": ["plain", "n1"]}


class TestTags(Tags):
    """A list of tags."""

    selector = Selector("TAG", ("vip", "nobody"))
    invalid = (Selector("TAG", ()), Selector("TAG", ("",)), Selector("TAG", ("x" * 65,)))


class TestExpressions(Tags):
    """An expression, as text."""

    selector = Selector("TAG_EXPR", ("vip & !(plain | other)",))
    invalid = (
        Selector("TAG_EXPR", ()),
        Selector("TAG_EXPR", ("vip", "plain")),
        Selector("TAG_EXPR", ("vip &",)),
        Selector("TAG_EXPR", ("(" * 100,)),
    )


class TestGroups(Tags):
    """An expression, as an object."""

    selector = Selector("TAG_EXPR", ('{"or": ["vip", "other"], "not": ["plain"]}',))
    invalid = (Selector("TAG_EXPR", ("{}",)), Selector("TAG_EXPR", ('{"or": []}',)))
