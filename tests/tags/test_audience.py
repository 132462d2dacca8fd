"""Audiences in the store, against the slow and obvious way to find them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.examples import any_machine
from onepush_core import App, InvalidAudience, Message, Selector
from onepush_core.store.audience import read_page
from onepush_tags.audience import resolve
from tests.tags.memory import TAGS, Registered, add_device, devices, empty_store, formulas

pytestmark = pytest.mark.store
NEWEST = 1 << 62
PLAIN = Registered(1, "ANDROID", None, True, frozenset())


def read_all(transaction, selector, *, app=1, platform="ALL", tenant=None, limit=2):
    """All device keys of an audience, page by page."""
    query = resolve(app, selector, lambda job: job(transaction))
    message = Message(
        key=NEWEST,
        id="",
        app=App(app, "", ""),
        alert="",
        accepted_at=0,
        expires_at=0,
        platform=platform,
        tenant=tenant,
    )
    found, after = [], 0
    while after is not None:
        page = read_page(transaction, message, query, after, limit)
        found += page.keys
        after = page.last
    return found


def expression(text):
    """A selector of an expression."""
    return Selector("TAG_EXPR", (text,))


@any_machine
@given(
    st.lists(devices, max_size=12),
    formulas,
    st.sampled_from([1, 2]),
    st.sampled_from(["ALL", "IOS", "WEB"]),
    st.sampled_from([None, "north"]),
    st.integers(1, 4),
)
def test_audience_equals_brute_force(registered, formula, app, platform, tenant, limit):
    """Exactly the devices of the app, platform and tenant of which it holds, ascending, each once."""
    wanted = [
        key
        for key, device in enumerate(registered, 1)
        if device.app == app
        and device.active
        and platform in ("ALL", device.platform)
        and (tenant is None or device.tenant in (None, tenant))
        and formula.holds(device.tags)
    ]
    with empty_store() as transaction:
        for key, device in enumerate(registered, 1):
            add_device(transaction, key, device)
        selector = expression(formula.text)
        found = read_all(transaction, selector, app=app, platform=platform, tenant=tenant, limit=limit)
    assert found == wanted


@any_machine
@given(
    st.lists(devices, max_size=12),
    st.dictionaries(
        st.sampled_from(["or", "and", "not"]),
        st.lists(st.sampled_from(TAGS), min_size=1, max_size=3),
        min_size=1,
    ),
)
def test_audience_of_groups_equals_brute_force(registered, groups):
    """The object form: the groups are ANDed."""
    wanted = [
        key
        for key, device in enumerate(registered, 1)
        if device.app == 1
        and device.active
        and ("or" not in groups or device.tags & set(groups["or"]))
        and device.tags.issuperset(groups.get("and", ()))
        and not device.tags & set(groups.get("not", ()))
    ]
    with empty_store() as transaction:
        for key, device in enumerate(registered, 1):
            add_device(transaction, key, device)
        found = read_all(transaction, expression(json.dumps(groups)))
    assert found == wanted


@pytest.mark.parametrize("number", [1, 2, 250, 251, 1000])
def test_audience_merges_many_tags(number):
    """A list of up to 1,000 tags means any of them, with each device once."""
    tags = [f"t{n}" for n in range(number)]
    with empty_store() as transaction:
        for key in range(1, 41):
            carried = frozenset(tags[key % number :: 7]) if key % 3 else frozenset(("other",))
            add_device(transaction, key, PLAIN._replace(tags=carried))
        found = read_all(transaction, Selector("TAG", tuple(tags)), limit=9)
    assert found == [key for key in range(1, 41) if key % 3]


def test_audience_reads_rarest_tag():
    """Where there is a choice, the tag of the fewest devices is read, wherever it stands."""
    with empty_store() as transaction:
        for key in range(1, 8):
            carried = frozenset({"many", "rare"} if key < 3 else {"many"})
            add_device(transaction, key, PLAIN._replace(tags=carried))
        selectors = map(expression, ("many & rare", "rare & many"))
        queries = [resolve(1, selector, lambda job: job(transaction)) for selector in selectors]
    assert [query.parameters[:2] for query in queries] == [[1, "rare"], [1, "rare"]]


BAD = {
    "two": ("a", "b"),
    "space": ("a b",),
    "empty": ("{}",),
    "broken": ("{",),
    "percent": ('{"or": ["%"]}',),
}


@pytest.mark.parametrize("values", BAD.values(), ids=BAD)
def test_audience_refuses_bad_expression(values):
    """More than one expression, or one that cannot be read."""
    with empty_store() as transaction, pytest.raises(InvalidAudience, match="audiences"):
        resolve(1, Selector("TAG_EXPR", values), lambda job: job(transaction))


def test_audience_leaves_other_types_alone():
    """The plugin answers for its own types only."""
    with empty_store() as transaction:
        assert resolve(1, Selector("ALIAS", ("a",)), lambda job: job(transaction)) is None
