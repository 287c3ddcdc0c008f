"""The sandbox's pages for people: the hosted payment page, and what is going on."""

from html import escape

from app.sandbox.state import Order, State

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;background:#f4f5f7;color:#1d2330;margin:0}
main{max-width:30rem;margin:8vh auto;background:#fff;border-radius:12px;padding:2rem;
box-shadow:0 2px 12px #0002}
main.wide{max-width:70rem;margin:2rem auto}
h1{font-size:1.3rem;margin:0 0 1rem} p.note{color:#667;font-size:.85rem}
dl{display:grid;grid-template-columns:auto 1fr;gap:.3rem 1rem} dt{color:#667} dd{margin:0}
button{font:inherit;padding:.6rem 1.4rem;border-radius:8px;border:0;cursor:pointer;margin-right:.6rem}
button.pay{background:#1f6feb;color:#fff} button.decline{background:#e6e8ee}
table{border-collapse:collapse;width:100%} td,th{text-align:left;padding:.35rem .6rem;
border-bottom:1px solid #e6e8ee} code{font-size:.85em}
@media (prefers-color-scheme:dark){body{background:#12151c;color:#e8eaf0}main{background:#1c212c}
td,th{border-color:#333b4a} button.decline{background:#333b4a;color:#e8eaf0}}
"""


def _page(title: str, content: str, *, wide: bool = False) -> str:
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main{' class=wide' if wide else ''}>{content}</main></body></html>"
    )


def payment(order: Order) -> str:
    """Show the hosted checkout of an order that has to be paid."""
    return _page(
        f"Pay for {order.site_name}",
        f"<h1>Your new site</h1><dl><dt>Site</dt><dd>{escape(order.site_name)}</dd>"
        f"<dt>Plan</dt><dd>{escape(order.product)}</dd><dt>Location</dt><dd>{escape(order.location)}</dd></dl>"
        "<form method=post style='margin-top:1.5rem'>"
        f"<button class=pay formaction='/pay/{order.id}/pay'>Pay</button>"
        f"<button class=decline formaction='/pay/{order.id}/decline'>Decline</button></form>"
        "<p class=note>A stand-in for the provider's checkout. No money moves.</p>",
    )


def message(title: str, text: str) -> str:
    """Show a short message."""
    return _page(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>")


def overview(state: State) -> str:
    """Show all orders, the newest first."""
    rows = "".join(_row(order) for order in reversed(state.orders.values()))
    empty = "<p>No orders yet. Point <code>CLOUDPRESS_BASE_URL</code> here and place one.</p>"
    table = (
        "<table><tr><th>Site</th><th>Order</th><th>Task</th><th>Callbacks</th><th>Payment</th></tr>"
        f"{rows}</table>"
    )
    return _page("Sandbox", f"<h1>Sandbox: a stand-in CloudPress</h1>{table if rows else empty}", wide=True)


def _row(order: Order) -> str:
    tries = ", ".join(str(sent.status or "no answer") for sent in order.callback_tries) or "none"
    payment_link = f"<a href='/pay/{order.id}'>pay</a>" if order.payment_url else ""
    return (
        f"<tr><td>{escape(order.site_name)}</td><td><code>{order.id}</code><br>{escape(order.status)}</td>"
        f"<td>{order.task.id}<br>{escape(order.task.status)}</td><td>{tries}</td><td>{payment_link}</td></tr>"
    )
