"""The seller's look on the end user's page, as the settings say it."""

import hashlib
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.config.settings import Settings

COLOUR = "#0b5c63"


@dataclass(frozen=True)
class Brand:
    """Who sells, and the styles that follow from it."""

    name: str | None
    logo_url: str | None
    styles: bytes

    @property
    def digest(self) -> str:
        """What changes with the styles."""
        return hashlib.sha256(self.styles).hexdigest()[:16]

    @property
    def logo_origin(self) -> str:
        """Where the logo is loaded from: the one address beside our own that a page may ask."""
        if self.logo_url is None:
            return ""
        parts = urlsplit(self.logo_url)
        return f"{parts.scheme}://{parts.netloc}"

    @classmethod
    def of(cls, settings: Settings) -> "Brand":
        """Read it from the settings."""
        colour = settings.brand_color or COLOUR
        styles = f":root {{ --brand: {colour}; --brand-ink: {ink_on(colour)}; }}\n"
        return cls(settings.brand_name, settings.brand_logo_url, styles.encode())


def ink_on(colour: str) -> str:
    """Return which of black and white can be read on a colour: one always reaches 4.5:1. (WCAG 2.2)"""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels
    )
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "#ffffff"
