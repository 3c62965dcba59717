"""Reading a form's body: urlencoded or multipart, with fewer fields than anybody needs, and no files."""

from fastapi import HTTPException, Request
from starlette.datastructures import FormData

_MOST_FIELDS = 200
_LONGEST_FIELD = 64 * 1024
_KINDS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def read_form(request: Request) -> FormData:
    """The form. Raises HTTPException: 415 for another kind of body, 400 for one that cannot be read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _KINDS and (kind or await request.body()):
        raise HTTPException(415, f"send a form: {' or '.join(_KINDS)}")
    try:
        return await request.form(max_files=0, max_fields=_MOST_FIELDS, max_part_size=_LONGEST_FIELD)
    except (ValueError, UnicodeError) as exc:
        raise HTTPException(400, "the form cannot be read: send it as UTF-8") from exc
