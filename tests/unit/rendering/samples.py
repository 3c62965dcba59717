# ruff: noqa: RUF001 - other alphabets are the point
"""The messages whose bytes are kept under `golden/`. `python -m tests.unit.rendering.samples` writes files that are missing.

A file that exists is never rewritten: letters already sent are rebuilt with these bytes. Where the writer must change, raise
NUMBER, keep the old way for its own number, and add samples for the new one.
"""

from pathlib import Path

from tests.factories import (
    make_frame,
    make_making,
    make_notice,
    make_notice_text,
    make_office_block,
    make_person,
    make_text_version,
    make_wording,
)
from worker.domain.making import Making
from worker.rendering import Renderer

GOLDEN = Path(__file__).parent / "golden"

SAMPLES: dict[str, Making] = {
    "1-plain-letter": make_making(renderer=1),
    "1-unicode-letter": make_making(
        renderer=1,
        message_id="town-library.7.mayor@library.example",
        signer=make_person(
            name='Əli "Zoë" Жданов, Sample',
            city="Łódź",
            comment="Açıq qalsın.\nFrom here, 1 < 2 & 3 = 3.\n.\n" + "書" * 40,
        ),
        office=make_office_block(
            holder="Mahmud Sample Kılıç", form="H.E.", salutation="Excellency", mailbox="amt@bücher.example"
        ),
        frame=make_frame(subject_tag="[Bücherei Öffnen]"),
    ),
    "1-notice": make_notice(renderer=1, signer=make_person(name="Sample Signer, 02")),
    "2-plain-letter": make_making(renderer=2),
    "2-letter-to-answer": make_making(renderer=2, signer=make_person(answer=True, email="signer.03@bücher.example")),
    "2-notice": make_notice(renderer=2, signer=make_person(name="Sample Signer, 02")),
    "2-page-with-copy": make_notice(
        renderer=2,
        language="fr",
        text=make_notice_text(text="{{ link }} {{ never_link }}\n\n{{ copy }}\n", html="<pre>{{ copy }}</pre>"),
        values={
            "link": "https://library.example/me/abc",
            "token": "abc",
            "never_link": "https://library.example/n/abc",
        },
        signer=make_person(copy=True, comment="1 < 2 & « oui ».\n.\nFrom here"),
        enclosed=make_text_version(
            wordings={"en": make_wording(), "fr": make_wording(goals=("Garder la bibliothèque.",))}
        ),
    ),
}


def main() -> None:
    for name, making in SAMPLES.items():
        path = GOLDEN / f"{name}.eml"
        if not path.exists():
            path.write_bytes(Renderer().render(making))


if __name__ == "__main__":
    main()
