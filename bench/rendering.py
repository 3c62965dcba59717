"""Microseconds a letter: our renderer against Jinja2 + the stdlib's EmailMessage, in turn in one run.

    python bench/rendering.py [letters]

Both make the same letters from the same templates (the stdlib's side with an ordinary, unsandboxed environment and its
templates compiled once) and turn them into bytes. CPU time is counted, the best of several turns, so that a busy machine
changes little. Prints one line of JSON.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from jinja2 import Environment, StrictUndefined

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.factories import make_making, make_person
from worker.domain.making import Making
from worker.rendering import Renderer, body_html, body_text

TURNS = 5


def makings(count: int) -> list[Making]:
    names = ("Sample Signer {}", "Élodie Sample {}", "Əli Nümunə {}", "Пример {}")
    base = make_making()
    return [
        replace(
            base,
            letter=n,
            message_id=f"town-library.{n}.town-council@library.example",
            signer=make_person(
                name=names[n % len(names)].format(n), comment="" if n % 3 else "I learnt to read there."
            ),
        )
        for n in range(count)
    ]


class Stdlib:
    """What a first version would do."""

    def __init__(self, making: Making) -> None:
        plain, html = Environment(undefined=StrictUndefined), Environment(undefined=StrictUndefined, autoescape=True)
        wording = making.text.wordings["en"]
        self.subject = plain.from_string(wording.subject)
        self.text = plain.from_string(wording.text)
        self.html = html.from_string(wording.html)
        plain.filters["quote"] = html.filters["quote"] = lambda words: "> " + words
        plain.filters["br"] = html.filters["br"] = lambda words: words

    def render(self, making: Making) -> bytes:
        values = {
            "signer": making.signer,
            "office": making.office,
            "campaign": making.frame,
            "goals": making.text.wordings["en"].goals,
            "date": "26 February 2027",
        }
        mail = EmailMessage(policy=SMTP)
        mail["Date"] = format_datetime(making.date)
        mail["From"] = Address(f"{making.signer.name} via {making.frame.name}", addr_spec=making.frame.sender)
        mail["Reply-To"] = making.frame.reply_to
        mail["To"] = Address(f"{making.office.title}, {making.office.organisation}", addr_spec=making.office.mailbox)
        mail["Subject"] = f"{making.frame.subject_tag} {self.subject.render(values)}"
        mail["Message-ID"] = f"<{making.message_id}>"
        mail["List-Id"] = f"<{making.frame.list_id}>"
        mail.set_content(self.text.render(values), cte="quoted-printable")
        mail.add_alternative(self.html.render(values), subtype="html", cte="quoted-printable")
        return mail.as_bytes()


def best(render: Callable[[Making], object], letters: list[Making]) -> float:
    """Microseconds of CPU a letter, the best of `TURNS`."""

    def turn() -> float:
        start = time.process_time_ns()
        for letter in letters:
            render(letter)
        return (time.process_time_ns() - start) / 1000 / len(letters)

    return min(turn() for _ in range(TURNS))


def main() -> None:
    letters = makings(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
    stdlib = Stdlib(letters[0])
    baseline = best(stdlib.render, letters[: max(len(letters) // 10, 1)])
    ours = best(Renderer().render, letters)
    bodies = best(lambda making: (body_text(making), body_html(making)), letters)
    print(
        json.dumps(
            {
                "letters": len(letters),
                "us_per_letter": round(ours, 1),
                "us_per_letter_templates": round(bodies, 1),
                "us_per_letter_stdlib": round(baseline, 1),
                "ratio": round(baseline / ours, 1),
                "bytes_per_letter": len(Renderer().render(letters[0])),
            }
        )
    )


if __name__ == "__main__":
    main()
