"""Which requests may change something."""

import httpx

from app.main import Service
from tests.dashboard.conftest import HERE, browser_of, stored_order
from tests.settings import API_KEY, make_settings

PUBLIC = "https://presshook.test"


SENT: tuple[tuple[dict[str, str], bool, str], ...] = (
    ({"Origin": HERE}, True, "the page's own, of a browser that says no more"),
    ({"Origin": HERE, "Sec-Fetch-Site": "same-origin"}, True, "the page's own"),
    ({"Sec-Fetch-Site": "same-origin"}, True, "the browser says so itself"),
    ({}, False, "no browser"),
    ({"Origin": "null"}, False, "a page that hides where it comes from"),
    ({"Origin": "http://evil.example"}, False, "another page"),
    ({"Origin": "http://127.0.0.1:8001"}, False, "another program on this machine"),
    ({"Origin": f"{HERE}.evil.example"}, False, "it only begins alike"),
    ({"Origin": HERE, "Sec-Fetch-Site": "cross-site"}, False, "the browser knows better"),
    ({"Origin": HERE, "Sec-Fetch-Site": "same-site"}, False, "another host of the same site"),
    ({"Sec-Fetch-Site": "none"}, False, "typed in by nobody: it is a POST"),
    ({"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, False, "one speaks against it"),
    ({"Origin": "file://127.0.0.1:8000"}, False, "no web page"),
    ({"Origin": "http://["}, False, "no address"),
)


async def test_only_a_page_of_ours_changes_anything(service: Service) -> None:
    async with browser_of(service, key=API_KEY) as browser:
        del browser.headers["Origin"]
        for headers, may, why in SENT:
            order_id = await stored_order(service)
            answer = await browser.post(f"/ui/orders/{order_id}/cancel", headers=headers)
            assert answer.status_code == (303 if may else 403), why
            shown = await browser.get(f"/ui/orders/{order_id}")
            assert ("Cancelled" in shown.text) is may, why


async def test_behind_a_proxy_public_url_is_where_pages_come_from(database_url: str) -> None:
    service = Service(make_settings(database_url, public_url=PUBLIC))
    async with browser_of(service, url="http://inside:8000") as browser:
        answer = await browser.post("/ui/sign-in", data={"key": API_KEY}, headers={"Origin": PUBLIC})
        assert answer.status_code == 303


async def test_signing_in_is_a_change(service: Service) -> None:
    """Else a page elsewhere could sign somebody in with its own key, and read along what he does."""
    async with browser_of(service) as browser:
        answer = await browser.post(
            "/ui/sign-in", data={"key": API_KEY}, headers={"Origin": "http://evil.example"}
        )
        assert answer.status_code == 403
        assert not browser.cookies


async def test_what_is_no_form_is_refused(browser: httpx.AsyncClient) -> None:
    assert (await browser.post("/ui/sign-in", json={"key": API_KEY})).status_code == 415
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for content in (b"key=%ff%fe", b"&".join([b"a=1"] * 2_101)):
        assert (await browser.post("/ui/sign-in", content=content, headers=form)).status_code == 400
