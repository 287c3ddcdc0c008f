"""What settings will hurt, although the service starts with them."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from app.config.settings import Settings
from app.guessable import is_local, is_published, weakness
from app.maintenance.doctor.checks import Check, Result, ok, warning


def check_settings(settings: Settings) -> Iterator[Result]:
    """Look at what the settings say, without asking anybody."""
    yield _public_url(settings)
    yield _secrets(settings)


def _public_url(settings: Settings) -> Result:
    check, url = Check.PUBLIC_URL, settings.public_url
    parts = urlsplit(url)
    if is_local(settings.cloudpress_base_url):
        return ok(check, f"{url}, beside a CloudPress on this machine")
    if is_local(url):
        return warning(
            check,
            f"{url} is an address of this machine, which CloudPress cannot reach",
            "set PUBLIC_URL to the address under which the internet reaches this service; until then orders "
            "end only when CloudPress is asked",
        )
    if parts.scheme != "https":
        return warning(
            check,
            f"{url} is not encrypted: whoever listens on the way learns each callback's value",
            "have your proxy speak https and set PUBLIC_URL to that address",
        )
    if parts.path.strip("/"):
        return warning(
            check,
            f"{url} has a path, which each proxy has to pass on or take away",
            "see that your proxy sends everything under that path here; the checks of callbacks tell",
        )
    return ok(check, url)


def _secrets(settings: Settings) -> Result:
    check = Check.SECRETS
    weak = [
        f"SECRET_KEY {reason}"
        for key in settings.secret_keys
        if (reason := weakness("SECRET_KEY", key, is_playing=False))
    ]
    api_key = settings.api_key.get_secret_value() if settings.api_key else None
    if api_key is not None and (reason := weakness("API_KEY", api_key, is_playing=False)):
        weak.append(f"API_KEY {reason}")
    is_playing = is_local(settings.cloudpress_base_url)
    if not is_playing and is_published(settings.cloudpress_api_token.get_secret_value()):
        weak.append("CLOUDPRESS_API_TOKEN is the published one of the playground")
    if weak:
        said = "; ".join(each.partition(";")[0] for each in weak)
        return warning(
            check, said, "make secrets of your own before this machine can be reached from outside"
        )
    several = len(settings.secret_keys)
    return ok(
        check,
        "SECRET_KEY" + (f" ({several} keys)" if several > 1 else "") + (" and API_KEY" if api_key else ""),
    )
