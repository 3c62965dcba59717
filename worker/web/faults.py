"""What is said beside a field of the form that cannot be taken: a whole sentence in the language of the page.

The reasons are those of `worker.intake.validate` and `worker.intake.address`, which a test provokes one by one, and the
form's own: `send`, `offices` and `form` with the reasons named here.
"""

from worker.web.words import N_, Words

_UNSEEN = N_("Please type this again: it holds characters that cannot be seen.")
_LONG = N_("Please shorten this: it is far too long.")

_NAME = {
    "is missing; write your name": N_("Please write your name."),
    "must have at least one letter; write your name": N_("Please write your name in letters."),
    "has line breaks or characters that cannot be seen; type it anew": N_(
        "Please type your name again: it holds characters that cannot be seen."
    ),
    "is longer than 120 characters; shorten it": N_("Please shorten your name to 120 characters."),
    "looks like a link or an address; write your name": N_(
        "Please write your name only, without a link or an address."
    ),
}

_LIKE = "; write one like name@mail.example"
_EMAIL = {
    "has characters that cannot be seen; type it anew": _UNSEEN,
    f"there must be something before and after one @{_LIKE}": N_(
        "Please write your e-mail address in full, like name@mail.example."
    ),
    f"it is longer than 254 characters{_LIKE}": N_("Please check your e-mail address: it is too long."),
    f"it is longer than 254 bytes{_LIKE}": N_("Please check your e-mail address: it is too long."),
    f"the part before the @ is too long{_LIKE}": N_(
        "Please check your e-mail address: the part before the @ is too long."
    ),
    f"the part before the @ has characters that an address cannot have (no spaces, quotes, brackets or commas){_LIKE}": N_(
        "Please check the part before the @: an address has no spaces, quotation marks, brackets or commas."
    ),
    f"no mail can be sent to its domain, which is reserved for other uses{_LIKE}": N_(
        "Please write another e-mail address: no mail can be sent to this one."
    ),
    f"what follows the @ is not the name of a domain{_LIKE}": N_("Please check what follows the @ in your address."),
    f"the domain after the @ has no dot{_LIKE}": N_(
        "Please check what follows the @ in your address: there is no dot in it."
    ),
}

_CITY = {
    "has line breaks or characters that cannot be seen; type it anew": _UNSEEN,
    "is longer than 120 characters; shorten it": N_("Please shorten the name of your town to 120 characters."),
    "looks like a link or an address; write the name of a town, or leave it empty": N_(
        "Please write the name of your town only, or leave this empty."
    ),
}

_COMMENT = {
    "has characters that cannot be seen; type it anew": _UNSEEN,
    "is longer than 2000 characters; shorten it": N_("Please shorten your own words to 2,000 characters."),
    "has more than 60 lines; shorten it": N_("Please shorten your own words to 60 lines."),
}

_FORM = {
    "expired": N_("This page had been open for very long. Please look your details over and send them again."),
    "too fast": N_("That was very quick. Please look your details over and send them again."),
    "challenge": N_("The check against automatic entries was not done. Please wait for it, then send the form again."),
    "limit": N_("Too many forms came from your connection. Please try again in an hour."),
    "closed": N_("This letter can no longer be signed."),
    "not yet": N_("This letter cannot be signed yet."),
    "changed": N_("The letter was changed while you read it. Please read it again before you sign."),
}

_BY_FIELD = {
    "name": _NAME,
    "email": _EMAIL,
    "country": {
        "must be the two letters of a country (ISO 3166), like DE": N_("Please choose your country."),
    },
    "city": _CITY,
    "comment": _COMMENT,
    "language": {
        "must be a language tag like en or fr-ca, or empty": N_("Please choose the language of the letter again."),
    },
    "send": {"missing": N_("Please agree to this: without it we may not send your letter.")},
    "offices": {"missing": N_("Please choose at least one office.")},
    "email_choice": {"missing": N_("Please tell us which address is right.")},
    "erase": {"missing": N_("Please tick the box if you want to be erased.")},
    "form": _FORM,
}

_ANYWHERE = {
    "must be text": N_("Please write this as text."),
    "is longer than 20000 characters; shorten it": _LONG,
}


def fault(words: Words, field: str, reason: str) -> str:
    """A sentence about `field`, or `reason` itself where there is none."""
    sentence = _BY_FIELD.get(field, {}).get(reason) or _ANYWHERE.get(reason)
    return words.gettext(sentence) if sentence else reason


def known() -> frozenset[tuple[str, str]]:
    """Every (field, reason) that has a sentence; "" stands for any field."""
    fields = {(field, reason) for field, reasons in _BY_FIELD.items() for reason in reasons}
    return frozenset(fields | {("", reason) for reason in _ANYWHERE})
