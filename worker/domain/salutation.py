"""How an office is greeted where the register does not say it: by its title, in the language of the letter.

A title is read by the first words of each of its parts ("Ambassador, Permanent Representative to the United Nations"), so
that neither a deputy nor "Office of the President" is taken for the office itself. Where the holder's form of address
tells Mr or Ms, the office is greeted with it; where it does not, in words that fit either; where there are none, as
anybody is. What the register says itself always wins: see `address_block`.
"""

import re
from collections.abc import Mapping
from typing import Literal

SALUTATIONS = {
    "az": "Hörmətli xanım və ya cənab",  # noqa: RUF001 -- the Azerbaijani letter
    "de": "Sehr geehrte Damen und Herren",
    "en": "Dear Sir or Madam",
    "es": "Estimadas señoras y señores",
    "fr": "Madame, Monsieur",
    "ru": "Уважаемая госпожа, уважаемый господин",
    "tr": "Sayın Yetkili",  # noqa: RUF001 -- the Turkish letter
}
"""Used where neither the register nor the title says more; English for any other language.

Also in the copies that signers get (`block_of_copy`): a line that changes here needs a new renderer number, so that
copies already sent can be made again.
"""

Gender = Literal["mr", "ms", ""]

_MR = frozenset({"mr", "m", "herr", "señor", "sr", "sir", "lord", "господин", "г-н", "cənab", "bay"})  # noqa: RUF001 -- the Russian short form
_MS = frozenset(
    {"ms", "mrs", "miss", "mme", "mlle", "madam", "madame", "frau", "señora", "sra", "lady", "dame"}
    | {"госпожа", "г-жа", "xanım", "bayan"}  # noqa: RUF001 -- Russian, Azerbaijani, Turkish
)
_CLASSES: Mapping[str, re.Pattern[str]] = {
    name: re.compile(rf"(?:(?:acting|the|h\.?e\.?)\s+)*(?:{words})(?![\w-])", re.IGNORECASE)
    for name, words in {
        "ambassador": r"ambassador|permanent\s+representative|botschafter(?:in)?|ambassadeur|ambassadrice"
        r"|embajador(?:a)?|посол|постоянный\s+представитель|büyükelçi|səfir",
        "secretary-general": r"secretary[\s-]general|generalsekretär(?:in)?|secrétaire\s+générale?"
        r"|secretari[oa]\s+general|генеральный\s+секретарь|genel\s+sekreter|baş\s+katib",
        "president": r"president|präsident(?:in)?|présidente?|president[ea]|президент|prezident",
        "mayor": r"(?:lord\s+)?mayor|(?:ober)?bürgermeister(?:in)?|maire|alcalde(?:sa)?|мэр|belediye\s+başkanı|mer",  # noqa: RUF001 -- its own letters
    }.items()
}
_EXCELLENCY = {
    "az": "Zati-aliləri",
    "de": "Exzellenz",
    "en": "Excellency",
    "es": "Excelencia",
    "fr": "Excellence",
    "ru": "Ваше Превосходительство",
    "tr": "Ekselansları",  # noqa: RUF001 -- the Turkish letter
}
_FORMS = {
    "az": "Zati-aliləri",
    "de": "S.E.",
    "en": "H.E.",
    "es": "S.E.",
    "fr": "S.E.",
    "ru": "Е.П.",  # noqa: RUF001 -- its own letters
    "tr": "Ekselansları",  # noqa: RUF001 -- its own letters
}
_OWN: Mapping[str, Mapping[str, tuple[str, str]]] = {  # to a man, to a woman
    "secretary-general": {
        "az": ("Cənab Baş katib", "Xanım Baş katib"),  # noqa: RUF001 -- its own letters
        "de": ("Sehr geehrter Herr Generalsekretär", "Sehr geehrte Frau Generalsekretärin"),
        "en": ("Mr. Secretary-General", "Madam Secretary-General"),
        "es": ("Señor Secretario General", "Señora Secretaria General"),
        "fr": ("Monsieur le Secrétaire général", "Madame la Secrétaire générale"),
        "ru": ("Уважаемый господин Генеральный секретарь", "Уважаемая госпожа Генеральный секретарь"),
        "tr": ("Sayın Genel Sekreter", "Sayın Genel Sekreter"),  # noqa: RUF001 -- its own letters
    },
    "president": {
        "az": ("Cənab Prezident", "Xanım Prezident"),  # noqa: RUF001 -- its own letters
        "de": ("Sehr geehrter Herr Präsident", "Sehr geehrte Frau Präsidentin"),
        "en": ("Mr. President", "Madam President"),
        "es": ("Señor Presidente", "Señora Presidenta"),
        "fr": ("Monsieur le Président", "Madame la Présidente"),
    },
    "mayor": {
        "az": ("Hörmətli cənab mer", "Hörmətli xanım mer"),  # noqa: RUF001 -- its own letters
        "de": ("Sehr geehrter Herr Bürgermeister", "Sehr geehrte Frau Bürgermeisterin"),
        "en": ("Mr. Mayor", "Madam Mayor"),
        "es": ("Señor Alcalde", "Señora Alcaldesa"),
        "fr": ("Monsieur le Maire", "Madame la Maire"),
        "ru": ("Уважаемый господин мэр", "Уважаемая госпожа мэр"),
        "tr": ("Sayın Belediye Başkanı", "Sayın Belediye Başkanı"),  # noqa: RUF001 -- its own letters
    },
}
_EXCELLENCIES = frozenset({"ambassador", "secretary-general", "president"})


def in_language(words: Mapping[str, str], language: str) -> str:
    """The word for `language` (BCP 47; its first part decides), else the English one."""
    return words.get(language.split("-", maxsplit=1)[0], words["en"])


def usual_salutation(title: str, form: str, language: str) -> str:
    """The line that opens a letter to the bearer of `title`, whose form of address is `form` ("" where none is named)."""
    kind = _class_of(title)
    language = _known(language)
    own, gender = _OWN.get(kind, {}).get(language), _gender(form)
    if own and gender:
        return own[gender == "ms"]
    return _EXCELLENCY[language] if kind in _EXCELLENCIES else SALUTATIONS[language]


def usual_form(title: str, language: str) -> str:
    """What stands before the name of the holder of `title` where the register says nothing: "H.E.", or ""."""
    return _FORMS[_known(language)] if _class_of(title) in _EXCELLENCIES else ""


def _known(language: str) -> str:
    base = language.split("-", maxsplit=1)[0]
    return base if base in SALUTATIONS else "en"


def _class_of(title: str) -> str:
    for part in title.split(","):
        for name, pattern in _CLASSES.items():
            if pattern.match(part.strip()):
                return name
    return ""


def _gender(form: str) -> Gender:
    words = {word.strip(".").casefold() for word in form.split()}
    if bool(words & _MR) == bool(words & _MS):
        return ""
    return "mr" if words & _MR else "ms"
