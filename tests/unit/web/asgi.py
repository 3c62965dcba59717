"""Speaking ASGI by hand: requests that no client library would send."""

import asyncio
from dataclasses import dataclass


@dataclass
class Answer:
    """What came back; `status` is None where nothing did."""

    status: int | None
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name):
        found = [value for key, value in self.headers if key == name]
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0] if found else None


def scope_of(method="GET", path="/", headers=(), query=b"", raw_path=None):
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": raw_path if raw_path is not None else path.encode(),
        "query_string": query,
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
        "client": ("192.0.2.7", 1234),
        "server": ("127.0.0.1", 80),
    }


def ask(app, *args, chunks=(b"",), silent=False, **more):
    """Call `app` with a request whose body comes in `chunks`; `silent`: the last of them never comes."""
    sent = []
    parts = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    parts[-1]["more_body"] = False
    if silent:
        parts.pop()

    async def receive():
        if parts:
            return parts.pop(0)
        await asyncio.Event().wait()
        raise AssertionError("nothing comes any more")

    async def send(message):
        sent.append(message)

    async def call():
        async with asyncio.timeout(20):
            await app(scope_of(*args, **more), receive, send)

    asyncio.run(call())
    if not sent:
        return Answer(None, [], b"")
    headers = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    return Answer(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))
