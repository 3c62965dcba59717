"""A campaign's own colours as a stylesheet: it sets the tokens that `lettershop.css` is built on, and nothing else."""

from worker.domain.campaign import Look
from worker.domain.colour import readable_on


def look_css(look: Look) -> str:
    """The stylesheet; "" where the campaign has no colours of its own. The settings let no other text in."""
    parts = []
    if look.accent:
        # not in the dark theme, where this colour may not be readable
        parts.append(f"@media not all and (prefers-color-scheme: dark) {{ :root {{ {_tokens(look.accent)} }} }}\n")
    if look.accent_dark:
        parts.append(f"@media (prefers-color-scheme: dark) {{ :root {{ {_tokens(look.accent_dark)} }} }}\n")
    return "".join(parts)


def _tokens(colour: str) -> str:
    return f"--accent: {colour}; --on-accent: {readable_on(colour)};"
