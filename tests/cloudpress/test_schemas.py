"""What is read of CloudPress's answers: liberal in what is accepted."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cloudpress import BadAnswer, OrderDetails, OrderSummary, Placed, Site, Task, normalize_base_url
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
        ({"order": {"id": "o\x00"}}, ("o\ufffd", None, None, None), "what PostgreSQL refuses is replaced"),
    ],
)
def test_placed(document: Json, expected: tuple[object, ...], reason: str) -> None:
    placed: Placed = read(Placed.from_document, document)
    task = placed.task.id if placed.task else None
    assert (placed.order_id, placed.order_status, task, placed.payment_url) == expected, reason


@pytest.mark.parametrize(
    "document", [{}, {"order": {}}, {"order": {"id": ""}}, {"order": {"id": None}}, [], None, 1]
)
def test_an_answer_without_an_order_id_is_bad(document: object) -> None:
    with pytest.raises(BadAnswer):
        read(Placed.from_document, document)


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
