"""What is read of CloudPress's answers: liberal in what is accepted."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cloudpress import (
    About,
    BadAnswer,
    OrderDetails,
    OrderSummary,
    Placed,
    Site,
    Task,
    normalize_base_url,
)
from app.cloudpress.decoding import decode

Json = dict[str, Any]


def read(schema: Any, document: object) -> Any:
    return decode(json.dumps(document).encode(), schema)


@pytest.mark.parametrize(
    ("document", "expected", "reason"),
    [
        ({"order": {"id": "o"}}, ("o", None, None, None), "the id is enough"),
        ({"order": {"id": 7}}, ("7", None, None, None), "a number"),
        ({"order": {"id": "o", "status": 5}}, ("o", "5", None, None), "a status of another type"),
        (
            {"order": {"id": "o"}, "task": {"id": "12", "status": "ok"}},
            ("o", None, 12, None),
            "a number as a string",
        ),
        ({"order": {"id": "o"}, "task": []}, ("o", None, None, None), "no task"),
        (
            {"order": {"id": "o"}, "payment_url": "https://pay"},
            ("o", None, None, "https://pay"),
            "as documented",
        ),
        (
            {"order": {"id": "o", "payment_ur": "https://pay"}},
            ("o", None, None, "https://pay"),
            "as once spelt",
        ),
        ({"order": {"id": "o"}, "payment_url": ""}, ("o", None, None, None), "an empty URL is none"),
        (
            {"order": {"id": "o", "status": "a\x00b\ud800"}},
            ("o", "a\ufffdb\ufffd", None, None),
            "what PostgreSQL refuses is replaced",
        ),
        (
            {"order": {"id": "o", "status": "x" * 1000}},
            ("o", "x" * 63 + "\u2026", None, None),
            "what is long is cut, and tells that it was",
        ),
    ],
)
def test_placed(document: Json, expected: tuple[object, ...], reason: str) -> None:
    placed: Placed = read(Placed.from_document, document)
    task = placed.task.id if placed.task else None
    assert (placed.order_id, placed.order_status, task, placed.payment_url) == expected, reason


NO_IDS: list[object] = [
    "",
    None,
    True,
    1.5,
    [],
    {},
    ".",
    "..",
    "o\x00",
    "o\n",
    "\ud800",
    "\u2028",
    "x" * 256,
    10**300,
]


@pytest.mark.parametrize(
    "document", [{}, {"order": {}}, *({"order": {"id": id_}} for id_ in NO_IDS), [], None, 1]
)
def test_an_answer_without_an_order_id_is_bad(document: object) -> None:
    with pytest.raises(BadAnswer):
        read(Placed.from_document, document)


@pytest.mark.parametrize("id_", NO_IDS)
@pytest.mark.parametrize(
    ("schema", "document"),
    [
        (OrderDetails.from_document, lambda it: {"order": {"id": it}}),
        (OrderSummary.list_from_document, lambda it: {"orders": [{"id": "o"}, {"id": it}]}),
        (Site.from_document, lambda it: {"site": {"id": it}}),
        (
            Task.from_document,
            lambda it: {"task": {"id": 1, "status": "OK", "orders": [{"id": "o"}, {"id": it}]}},
        ),
        (Task.from_document, lambda it: {"task": {"id": 1, "status": "OK", "sites": [{"id": it}]}}),
    ],
)
def test_an_id_that_cannot_be_asked_for_or_stored_is_bad(
    schema: Any, document: Callable[[object], object], id_: object
) -> None:
    with pytest.raises(BadAnswer) as caught:
        read(schema, document(id_))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("schema", "document", "most"),
    [
        (
            OrderDetails.from_document,
            lambda n: {"order": {"id": "o"}, "tasks": [{"id": i} for i in range(n)]},
            100,
        ),
        (OrderSummary.list_from_document, lambda n: {"orders": [{"id": i} for i in range(n)]}, 5000),
        (About.from_document, lambda n: {"locations": [{"id": i} for i in range(n)]}, 1000),
        (About.from_document, lambda n: {"products": [{"id": i} for i in range(n)]}, 1000),
    ],
)
def test_a_list_is_read_whole_or_not_at_all(
    schema: Any, document: Callable[[int], object], most: int
) -> None:
    """Cut, it would tell that something is not there: a task that runs, an order, a location."""
    assert read(schema, document(most))
    with pytest.raises(BadAnswer) as caught:
        read(schema, document(most + 1))
    assert caught.value.kind == "too_many"


@pytest.mark.parametrize(
    ("given_", "shown", "reason"),
    [
        ("https://pay.example/o?x=1#y", True, "as documented"),
        ("http://127.0.0.1:8001/pay/o", True, "the sandbox's"),
        (" HTTPS://pay.example ", True, "in capitals, with white space around it"),
        ("https://zahlen.ex\u00e4mple/", True, "of other letters"),
        ("javascript:alert(1)", False, "it runs"),
        ("JavaScript:alert(1)//https://pay.example", False, "it runs"),
        ("java\nscript:alert(1)", False, "browsers drop the line break"),
        ("data:text/html,<script>alert(1)</script>", False, "it runs"),
        ("//pay.example/o", False, "no scheme"),
        ("/pay/o", False, "no host"),
        ("https://", False, "no host"),
        ("https:pay.example", False, "no host"),
        ("https://user:s3cr3t@pay.example/", False, "who reads it takes the user for the host"),
        ("https://pay.example/\u202e", False, "it shows something else than it is"),
        ("https://pay.example\\@evil.example/", False, "browsers take it for a slash"),
        ("https://pay.example/<b>", False, "no character of a URL"),
        ("https://[::1", False, "not a URL"),
        ("ftp://pay.example/", False, "no page"),
        ("https://pay.example/" + "x" * 5000, False, "longer than anybody can use"),
        (7, False, "no text"),
        ([1], False, "no text"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("spelling", ["payment_url", "payment_ur"])
def test_a_payment_url_is_a_page_or_is_kept_and_not_shown(
    given_: object, *, shown: bool, reason: str, spelling: str
) -> None:
    order: OrderDetails = read(OrderDetails.from_document, {"order": {"id": "o", spelling: given_}})
    placed: Placed = read(Placed.from_document, {"order": {"id": "o"}, spelling: given_})
    for found in (order, placed):
        assert found.payment_url == (str(given_).strip() if shown else None), reason
        assert (found.odd_payment_url is None) is (shown or not isinstance(given_, str | int)), reason
    assert order.asks_for_payment
    assert placed.asks_for_payment


def test_of_two_payment_urls_the_one_that_can_be_shown_is() -> None:
    document = {"order": {"id": "o", "payment_ur": "https://pay.example"}, "payment_url": "javascript:1"}
    placed: Placed = read(Placed.from_document, document)
    assert (placed.payment_url, placed.odd_payment_url) == ("https://pay.example", None)


@pytest.mark.parametrize(
    ("orders", "ids"),
    [
        ([], ()),
        (None, ()),
        ({}, ()),
        ([{"id": "o"}, {"id": 7}], ("o", "7")),
        (["o"], ("o",)),
        ({"id": "o"}, ("o",)),
        ("o", ("o",)),
    ],
)
def test_whom_a_task_names(orders: object, ids: tuple[str, ...]) -> None:
    task: Task = read(Task.from_document, {"task": {"id": 1, "status": "OK", "orders": orders}})
    assert task.order_ids == ids


@pytest.mark.parametrize(
    "orders", [[{"id": "o"}, {}], [{"uuid": "o"}], [None], True, [{"id": i} for i in range(101)]]
)
def test_a_task_that_leaves_open_whom_it_names_is_bad(orders: object) -> None:
    """Taken for one that names nobody, it would fit every order."""
    with pytest.raises(BadAnswer):
        read(Task.from_document, {"task": {"id": 1, "status": "OK", "orders": orders}})


def test_a_password_is_whole_or_absent() -> None:
    for length, is_read in ((1024, True), (1025, False)):
        site: Site = read(Site.from_document, {"site": {"id": "s", "ssh": {"password": "x" * length}}})
        assert site.ssh is not None
        assert (site.ssh.password is not None) is is_read


def test_no_text_is_longer_than_can_be_shown() -> None:
    long = "x" * 1_000_000
    task: Task = read(Task.from_document, {"task": {"id": 1, "status": long, "name": long, "title": long}})
    site: Site = read(
        Site.from_document, {"site": {"id": "s", "name": long, "primary_domain": {"name": long}}}
    )
    texts = [task.status, task.name, task.title, site.name, site.primary_domain]
    assert [len(text or "") for text in texts] == [64, 2000, 2000, 2000, 2000]


def test_an_order_with_its_tasks() -> None:
    order: OrderDetails = read(
        OrderDetails.from_document,
        {
            "order": {
                "id": "o",
                "status": "Open",
                "created_at": "2026-11-23T12:00:00+01:00",
                "product": {"name": "P"},
            },
            "tasks": [{"id": 1, "status": "RUNNING"}],
            "site": {"id": 5, "name": "Site"},
            "account": {"id": "acct"},
        },
    )
    assert (order.status, order.product, order.account_id) == ("Open", "P", "acct")
    assert order.created_at is not None
    assert order.created_at.isoformat() == "2026-11-23T11:00:00+00:00"
    assert [(task.id, task.status) for task in order.tasks] == [(1, "RUNNING")]
    assert order.site is not None
    assert (order.site.id, order.site.name) == ("5", "Site")


def test_a_list_with_an_entry_that_cannot_be_read_is_bad() -> None:
    # A look-up concludes from what is not in it.
    with pytest.raises(BadAnswer):
        read(OrderSummary.list_from_document, {"orders": [{"id": "o"}, {"status": "open"}]})


def test_a_task_names_its_site_and_order() -> None:
    task: Task = read(
        Task.from_document,
        {
            "task": {
                "id": 1,
                "status": "OK",
                "sites": [{"id": 5}],
                "orders": [{"id": "o"}],
                "accounts": [{"id": "a"}],
            }
        },
    )
    assert (task.site_ids, task.order_ids, task.account_ids) == (("5",), ("o",), ("a",))


@pytest.mark.parametrize("port", [22, "22"])
def test_a_port_is_a_number_or_a_string(port: object) -> None:
    ssh = {"ipaddr": "192.0.2.1", "username": "u", "password": "s3cr3t", "port": port}
    site: Site = read(Site.from_document, {"site": {"id": "s", "ssh": ssh}})
    assert site.ssh is not None
    assert site.ssh.port == 22
    assert "s3cr3t" not in repr(site)


@pytest.mark.parametrize("task_id", [-1, 2**63, True, 1.5, "x", None])
def test_a_task_id_that_no_column_holds_is_bad(task_id: object) -> None:
    with pytest.raises(BadAnswer):
        read(Task.from_document, {"task": {"id": task_id, "status": "OK"}})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "order",
                    "orders",
                    "task",
                    "tasks",
                    "site",
                    "sites",
                    "id",
                    "status",
                    "ssh",
                    "port",
                    "created_at",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


def kind_of_failure(body: bytes, read_document: Any) -> str:
    """Return how a body is bad, "" if it is not; anything worse is raised."""
    try:
        decode(body, read_document)
    except BadAnswer as error:
        return error.kind
    return ""


@given(JSON)
def test_no_document_does_worse_than_being_bad(document: object) -> None:
    body = json.dumps(document).encode()
    for schema in (Placed, OrderDetails, Task, Site):
        assert kind_of_failure(body, schema.from_document) in {"", "unexpected_shape"}


@given(st.binary())
def test_no_bytes_do_worse_than_being_bad(body: bytes) -> None:
    assert kind_of_failure(body, Placed.from_document) in {"not_json", "unexpected_shape"}


@pytest.mark.parametrize("tail", ["", "/", "/api", "/api/"])
def test_base_urls(tail: str) -> None:
    assert normalize_base_url(f"https://app.cloudpress.example{tail}") == "https://app.cloudpress.example"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "app.example",
        "ftp://a.example",
        "https://",
        "https://u:s3cr3t@a.example",
        "https://a?x",
        "https://a#x",
        "https://a b",
    ],
)
def test_what_is_no_base_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"^must ") as caught:
        normalize_base_url(url)
    assert "s3cr3t" not in str(caught.value)
