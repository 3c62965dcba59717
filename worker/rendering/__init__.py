"""Rendering: a making and its pinned templates become one immutable MIME message.

    data = Renderer().render(making)         # bytes, the same ones whenever asked
    recorded = digest(salt, data)            # what the ledger keeps of them

Sandboxed, strict about missing variables, escaping in HTML, deterministic, without I/O. `check_text` tries a text version
on every office before anything is sent; `subject_line`, `body_text` and `body_html` are what `preview` shows.
"""

from worker.rendering.addresses import wire_address
from worker.rendering.check import check_text
from worker.rendering.faults import Problem, TemplateFault
from worker.rendering.renderer import NUMBER, Renderer, body_html, body_text, digest, needs_smtputf8, subject_line

__all__ = [
    "NUMBER",
    "Problem",
    "Renderer",
    "TemplateFault",
    "body_html",
    "body_text",
    "check_text",
    "digest",
    "needs_smtputf8",
    "subject_line",
    "wire_address",
]
