"""Reading a form's body: urlencoded or multipart, with fewer fields than anybody needs, and no files.

Nearly every form comes urlencoded and whole (`hygiene.py` has read it); the standard library takes such a one apart in a
tenth of the time that the streaming parser needs.
"""

from urllib.parse import parse_qsl

from fastapi import HTTPException, Request
from starlette.datastructures import FormData, UploadFile

_MOST_FIELDS = 200
_LONGEST_FIELD = 64 * 1024
_KINDS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def read_form(request: Request) -> FormData:
    """The form. Raises HTTPException: 415 for another kind of body, 400 for one that cannot be read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _KINDS and (kind or await request.body()):
        raise HTTPException(415, f"send a form: {' or '.join(_KINDS)}")
    try:
        if kind != _KINDS[1]:
            return _urlencoded(await request.body())
        return await request.form(max_files=0, max_fields=_MOST_FIELDS, max_part_size=_LONGEST_FIELD)
    except (ValueError, UnicodeError) as exc:
        raise HTTPException(400, "the form cannot be read: send it as UTF-8") from exc


def _urlencoded(body: bytes) -> FormData:
    """WHATWG URL Standard, 5.1. Raises ValueError for too many fields or what is not UTF-8."""
    fields: list[tuple[str, str | UploadFile]] = [
        *parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    ]
    return FormData(fields)
