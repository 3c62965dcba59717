"""The kinds of consent, and the words in which they are asked for where a campaign has none of its own.

Each is agreed to apart from the others and may be taken back apart. `send` alone is needed; its words are always the
campaign's own, because they name who sends what to whom.
"""

from typing import Literal

OptionalConsent = Literal["yearly", "yearly_joint", "named", "answer", "copy"]

SEND = "send"
"""Send my letter now."""

OPTIONAL: tuple[OptionalConsent, ...] = ("yearly", "yearly_joint", "named", "answer", "copy")
"""yearly: write again on each anniversary, a letter of my own; yearly_joint: in a joint letter; named: my name in a list
that an office is given; answer: an office may answer me, so it is shown my address; copy: a copy of my letter to me."""

KINDS = (SEND, *OPTIONAL)

_WORDS = {
    "yearly": {
        "en": "Write again in my name on each anniversary, as a letter of my own. I am asked before each one.",
        "fr": "Écrire de nouveau en mon nom à chaque anniversaire, par une lettre à moi. On me prévient chaque fois.",
    },
    "yearly_joint": {
        "en": "Name me on each anniversary in one joint letter of all supporters. I am asked before each one.",
        "fr": "Me citer à chaque anniversaire dans une lettre commune. On me prévient chaque fois.",
    },
    "named": {
        "en": "If an office asks for one list instead of many letters, put my name, city and country on it.",
        "fr": "Si un destinataire préfère une liste à de nombreuses lettres, y mettre mon nom, ma ville et mon pays.",
    },
    "answer": {
        "en": "Let the offices answer me: my e-mail address is shown to them as the address to reply to.",
        "fr": "Permettre aux destinataires de me répondre : mon adresse électronique leur est montrée pour cela.",
    },
    "copy": {
        "en": "Send me a copy of my letter.",
        "fr": "Recevoir une copie de ma lettre.",
    },
}


def default_words(kind: str, language: str) -> str:
    """The house's words for `kind` in `language`, English where it has none; "" for `send`."""
    words = _WORDS.get(kind, {})
    return words.get(language.split("-", maxsplit=1)[0]) or words.get("en", "")
