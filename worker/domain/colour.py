"""Colours of a campaign: whether text in them can be read (WCAG 2.2, success criterion 1.4.3)."""

ENOUGH = 4.5
"""The least contrast of text with its ground."""

LIGHT_GROUND, DARK_GROUND = "#f8f6f1", "#16181b"
"""The grounds of the house's pages in either theme."""

_LINEAR = 0.04045


def contrast(one: str, other: str) -> float:
    """The contrast of two colours written as "#rrggbb", from 1 to 21 (WCAG 2.2, "contrast ratio")."""
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def readable_on(ground: str) -> str:
    """White or black, whichever is read better on `ground`."""
    return max(("#ffffff", "#000000"), key=lambda ink: contrast(ink, ground))


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2), of sRGB."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= _LINEAR else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
