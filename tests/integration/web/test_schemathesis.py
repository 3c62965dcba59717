"""Every operation of the OpenAPI document, asked with what fits it and what does not: the document tells the truth.

Each answer must have a status, a kind of body and a form that the document names, and be no fault of the server's. Whoever
asks has a key for everything, the campaign and a signature exist, so that requests get behind the first door.
"""

import shutil
from collections.abc import Iterator
from functools import partial

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fixtures.homes import Draft
from tests.integration.web.api_scene import BASE, SIGN, Api, an_api
from worker.ledger.book import Ledger
from worker.ledger.migrate import migrate

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
OPERATIONS = {
    "GET /api/v1/campaigns/{slug}": {200, 422},
    "GET /api/v1/campaigns/{slug}/counters": {200},
    "GET /api/v1/campaigns/{slug}/offices": {200},
    "GET /api/v1/campaigns/{slug}/preview": {200, 422},
    "POST /api/v1/campaigns/{slug}/signatures": {201, 422},
    "GET /api/v1/signatures/{number}": {200, 404, 422},
    "POST /api/v1/signatures/{number}/withdraw": {200, 404, 422},
}
"""Each operation, and the statuses that must have been seen when it was asked often: else the tests asked nothing."""

WITHOUT_KEY = {
    "POST /api/v1/campaigns/{slug}/signatures": {401, 422},
    "GET /api/v1/signatures/{number}": {401},
    "POST /api/v1/signatures/{number}/withdraw": {401},
}
EXAMPLES = 25


@pytest.fixture
def api(draft: Draft, ledger_keys, tmp_path, migrated_file) -> Iterator[Api]:
    file = tmp_path / "alone.db"
    shutil.copyfile(migrated_file, file)
    migrate(f"sqlite:///{file}", "rehearsal", ledger_keys)
    with Ledger.open(f"sqlite:///{file}", ledger_keys, "rehearsal") as ledger, an_api(draft, ledger) as opened:
        yield opened


def described(api: Api):
    return schemathesis.openapi.from_dict(api.get("/api/v1/openapi.json").json())


def test_the_document_is_sound_and_names_what_there_is(api):
    schema = described(api)
    schema.validate()
    assert {each.ok().label for each in schema.get_all_operations() if isinstance(each, Ok)} == set(OPERATIONS)
    raw = api.get("/api/v1/openapi.json")
    assert raw.headers["content-type"] == "application/json"
    told = raw.json()
    assert told["openapi"].startswith("3.1")
    assert told["servers"] == [{"url": BASE}]
    assert told["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path, methods in told["paths"].items():
        for operation in methods.values():
            assert operation["description"], path
            errors = {status: each for status, each in operation["responses"].items() if status >= "400"}
            assert {"400", "404", "503"} <= set(errors)
            assert all(list(each["content"]) == ["application/problem+json"] for each in errors.values())


class Asker:
    """Asks for a case as it would go over the wire."""

    def __init__(self, api: Api, *, with_key: bool) -> None:
        self.api, self.seen = api, set()
        key = api.key("sign", "read", "withdraw")
        self.number = api.post(SIGN, api.confirmed(1), headers=key).json()["id"]
        self.key = key if with_key else {}

    def check(self, case, *, here: bool) -> None:
        """`here`: name the campaign and the signature that there are, else whatever the case names."""
        if here:
            there = {"slug": "town-library", "number": self.number}
            case.path_parameters = {name: there[name] for name in case.path_parameters or {}}
        sent = {**case.as_transport_kwargs(base_url=BASE)}
        parts = ("method", "url", "headers", "params", "json", "data", "cookies")
        request = requests.Request(**{name: sent[name] for name in parts if name in sent}).prepare()
        kept = request.headers.items()
        headers = {name: value for name, value in kept if name.lower() not in {"authorization", "host"}}
        answer = self.api.ask(
            request.method,
            request.url,
            content=request.body or b"",
            headers={name: _bytes(value) for name, value in {**headers, **self.key}.items()},
        )
        self.seen.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1", "replace")


def ask_all(api: Api, label: str, *, with_key: bool) -> set[int]:
    """Ask the operation in every way; the statuses that were seen."""
    schema = described(api)
    operation = next(each.ok() for each in schema.get_all_operations() if each.ok().label == label)
    asker = Asker(api, with_key=with_key)
    config = schema.config.generation_for(operation=operation)
    for case in schema.iter_coverage_cases(operation, generation_modes=list(GenerationMode), generation_config=config):
        if case.method == operation.method.upper():
            asker.check(case, here=True)
    for mode in GenerationMode:
        if mode.is_negative and label.endswith(("/counters", "/offices")):
            continue  # any text is a slug: nothing here can be wrong
        for here in (True, False):
            _fuzz(operation, mode, partial(asker.check, here=here))
    return asker.seen


@pytest.mark.parametrize("label", OPERATIONS)
def test_the_document_tells_the_truth(api, label):
    assert OPERATIONS[label] <= ask_all(api, label, with_key=True)


@pytest.mark.parametrize("label", WITHOUT_KEY)
def test_the_document_tells_the_truth_to_strangers(api, label):
    assert WITHOUT_KEY[label] <= ask_all(api, label, with_key=False)


def _fuzz(operation, mode: GenerationMode, check) -> None:
    @seed(20261125)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case) -> None:
        check(case)

    ask()
