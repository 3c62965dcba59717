"""What can be wrong with a template, a header or a making, in words that name the place and never a signer's data."""

from dataclasses import dataclass

from worker.domain.errors import BadInput


class TemplateFault(BadInput):
    """A message that cannot be made: `template` is its name, `line` counts from 1 (0 where no line is to blame)."""

    def __init__(self, template: str, line: int, message: str) -> None:
        super().__init__(f"{template}, line {line}: {message}" if line else f"{template}: {message}")
        self.template = template
        self.line = line
        self.message = message


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding of `check_text`, placed like a `TemplateFault`."""

    template: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.template}, line {self.line}: {self.message}" if self.line else f"{self.template}: {self.message}"


class Flaw(Exception):
    """A fault before its template's name is known. Stays inside this room."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class Flaws(Flaw):
    """All that a reading of one template found, as (line, message), sorted; the first stands for it."""

    def __init__(self, found: list[tuple[int, str]]) -> None:
        self.found = sorted(set(found))
        super().__init__(self.found[0][1], self.found[0][0])
