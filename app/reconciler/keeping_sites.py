"""Writes what CloudPress showed of an order's site."""

from typing import Any

from app import cloudpress
from app.db.models import Site
from app.events.timeline import record
from app.events.types import EventType
from app.reconciler.writing import Held

SITE_FIELDS = (
    "id",
    "name",
    "primary_domain",
    "location",
    "region",
    "package",
    "php_version",
    "domain_cname",
    "created_at",
    "updated_at",
)


async def keep_site(held: Held, found: cloudpress.Answer[cloudpress.Site]) -> bool:
    """Store the site that was read; tell whether it is seen differently now."""
    tx, order = held.tx, held.order
    details = site_details(found.value)
    password = found.value.ssh.password if found.value.ssh else None
    stored = await held.loaded.sites(order.id)
    site = next(iter(stored), None)
    changed = site is None or site.details != details
    if site is None:
        site = Site(order_id=order.id)
        tx.session.add(site)
        stored.append(site)
    site.id = found.value.id
    site.details = details
    site.ssh_password = password.get_secret_value().encode() if password else None
    site.answer = found.raw
    site.read_at = tx.now
    held.loaded.note_site(order, site.id)
    if changed:
        record(tx, order.id, EventType.SITE_CHANGED, site_id=site.id)
    return changed


def site_details(site: cloudpress.Site) -> dict[str, Any]:
    """Return what the API shows of a site: an allow-list, without the password."""
    shown = site.model_dump(mode="json", include=set(SITE_FIELDS))
    ssh = site.ssh
    shown["ssh"] = (
        {"ipaddr": ssh.ipaddr, "username": ssh.username, "port": ssh.port} if ssh is not None else None
    )
    return {name: shown[name] for name in (*SITE_FIELDS, "ssh")}
