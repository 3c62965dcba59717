"""The logs' two forms: text as it was, or one JSON object a line; never what an exception says."""

import io
import json
import logging
import logging.config

import pytest

from worker import logs


@pytest.fixture
def said(request):
    """A stream that the form of the test's parameter writes to."""
    form, stream = request.param, io.StringIO()
    made = logs.config(form, "web")
    made["handlers"]["out"]["stream"] = stream
    del made["root"]  # its level would stay for whoever comes next
    made["loggers"] = {"lettershop.test": {"handlers": ["out"]}}
    made["loggers"]["asyncio.test"] = {"handlers": ["out"], "level": "INFO"}
    logging.config.dictConfig(made)
    log = logging.getLogger("lettershop.test")
    log.setLevel("INFO")
    yield log, stream
    log.handlers.clear()
    logging.getLogger("asyncio.test").handlers.clear()


def fail(log: logging.Logger) -> None:
    try:
        try:
            {}["Sample Signer 01"]
        except KeyError as exc:
            raise RuntimeError("cannot write to signer.1@mail.example") from exc
    except RuntimeError:
        log.exception("a fault of ours", extra={"letter": 17})


@pytest.mark.parametrize("said", ["json"], indirect=True)
def test_one_object_a_line(said) -> None:
    log, stream = said
    log.info("round %d\nis over", 7, extra={"round": 7, "letter": 12})
    fail(log)
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first["message"] == "round 7\nis over"
    assert (first["level"], first["logger"], first["round"], first["letter"]) == ("info", "lettershop.test", 7, 12)
    assert first["process"]["kind"] == "web"
    assert first["process"]["name"].count(":") == 1
    assert first["time"].endswith("Z")
    assert second["letter"] == 17
    assert "builtins.RuntimeError" in second["exception"]
    assert "which led to" in second["exception"]


@pytest.mark.parametrize("said", ["json", "text"], indirect=True)
def test_nothing_personal(said) -> None:
    log, stream = said
    fail(log)
    assert "RuntimeError" in stream.getvalue()
    assert "Signer" not in stream.getvalue()
    assert "signer.1" not in stream.getvalue()


@pytest.mark.parametrize("said", ["json"], indirect=True)
def test_what_others_give_along_is_left_out(said) -> None:
    _, stream = said
    other = logging.getLogger("asyncio.test")
    other.warning("something", extra={"data": {"email": "signer.1@mail.example"}})
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["message"] == "something"
    assert "signer.1" not in line
