"""What pages tell: the state of a letter in plain words, the outcome of a link, an error."""

from dataclasses import dataclass
from typing import Literal

from worker.domain.states import State
from worker.web.views import LetterRow
from worker.web.words import N_, Words

Tone = Literal["done", "waiting", "moving", "look", "stopped", "unknown"]
"""How a state is drawn: one icon each, and a colour that says nothing the icon and the words do not."""

_STATES: dict[State, tuple[str, str, Tone]] = {
    State.QUEUED: (
        N_("Waiting to be sent"),
        N_(
            "Letters leave in the working hours of the office and only a few an hour, so that its mailbox is not flooded."
        ),
        "waiting",
    ),
    State.CLAIMED: (N_("About to be sent"), N_("It is among the next letters to leave."), "moving"),
    State.SENDING: (
        N_("Being sent"),
        N_("The letter is being handed over at this moment. The answer of the receiving server is not recorded yet."),
        "moving",
    ),
    State.SENT: (
        N_("Sent and accepted"),
        N_("The receiving mail server took the letter over, with the answer shown here."),
        "done",
    ),
    State.REFUSED: (
        N_("Refused"),
        N_("The receiving mail server refused the letter for good, with the answer shown here. It was not delivered."),
        "stopped",
    ),
    State.HELD: (
        N_("Set aside until somebody has looked"),
        N_("A person at the campaign looks at this letter before it can leave."),
        "look",
    ),
    State.EXPIRED: (
        N_("Not sent: its time ran out"),
        N_("It could not be handed over within the time set for it, and is no longer tried."),
        "stopped",
    ),
    State.IN_DOUBT: (
        N_("Sent, but no answer was recorded"),
        N_(
            "The letter was handed over, and the connection ended before the answer came. It may well have arrived. "
            "It is not sent again by itself, so that the office does not receive it twice."
        ),
        "unknown",
    ),
    State.FAULTY: (
        N_("Not sent: a fault on our side"),
        N_(
            "The letter could not be made as you signed it, so it was not sent. A person at the campaign must mend this."
        ),
        "look",
    ),
    State.BOUNCED: (
        N_("Returned"),
        N_("The letter was accepted at first and came back later: the office did not receive it."),
        "stopped",
    ),
    State.CANCELLED: (N_("Taken back"), N_("The letter was withdrawn. It will not be sent."), "stopped"),
    State.SUPPRESSED: (
        N_("Not sent: the office wants no letters"),
        N_("The office asked not to be written to, and this is respected."),
        "stopped",
    ),
    State.BOUND: (
        N_("Part of a joint letter"),
        N_("It goes to the office together with those of other signers, in one joint letter."),
        "waiting",
    ),
}


def state_words(words: Words, row: LetterRow) -> tuple[str, str, Tone]:
    """Title, explanation and tone of the letter's state. Raises ValueError for a state that does not exist."""
    title, explanation, tone = _STATES[State(row.state)]
    return words.gettext(title), words.gettext(explanation), tone


@dataclass(frozen=True, slots=True)
class Told:
    """A page of one message: `title`, one paragraph per `text`, and how it is drawn."""

    title: str
    text: tuple[str, ...]
    tone: Literal["good", "wait", "bad", ""] = ""


_MESSAGES: dict[str, tuple[str, tuple[str, ...], Literal["good", "wait", "bad", ""]]] = {
    "unknown": (
        N_("This link leads nowhere"),
        (
            N_("It is incomplete, was replaced by a newer one, or what it led to was erased."),
            N_("Please look for the newest message from us, and open its link in full."),
        ),
        "wait",
    ),
    "expired": (
        N_("This link has expired"),
        (
            N_("A signature must be confirmed within some days. This one was not, so nothing was sent."),
            N_("You may sign again whenever you like."),
        ),
        "wait",
    ),
    "confirmed": (
        N_("Thank you. Your signature is confirmed"),
        (
            N_("Your letters are on their way, one to each office."),
            N_("A message with a private link to your own page is coming to your mailbox."),
        ),
        "good",
    ),
    "confirmed already": (
        N_("Your signature is confirmed"),
        (N_("You have followed this link before. Your own page shows what became of each letter."),),
        "good",
    ),
    "confirmed before": (
        N_("Your signature is confirmed"),
        (
            N_("This link has done its work. The link to your own page came in another message."),
            N_("You have lost it? It can be sent to your mailbox again."),
        ),
        "good",
    ),
    "withdrawn": (
        N_("Your letters were withdrawn"),
        (
            N_("What had not been sent yet will not be sent. A letter that has left cannot be called back."),
            N_("Your signature no longer counts."),
        ),
        "good",
    ),
    "corrected": (
        N_("Your letters were corrected"),
        (N_("All letters that have not left yet carry the new words."),),
        "good",
    ),
    "too late": (
        N_("This can no longer be changed"),
        (N_("Your letters have left already, as you signed them."),),
        "wait",
    ),
    "consents": (
        N_("Your choices were saved"),
        (N_("They hold from this moment on. You may change them at any time."),),
        "good",
    ),
    "never": (
        N_("We will not write to you again"),
        (
            N_("This address receives no further message from us, about this letter or any other."),
            N_("A fingerprint of the address is kept for this only. It cannot be turned back into the address."),
        ),
        "good",
    ),
    "erased": (
        N_("You were erased"),
        (
            N_("Your name, address and words were destroyed here and cannot be restored."),
            N_("Letters that had been sent are with the offices that received them. You may ask them to erase those."),
        ),
        "good",
    ),
    "link": (
        N_("Check your mailbox"),
        (
            N_(
                "If there is a confirmed signature under this address, a message with its link is coming within minutes."
            ),
            N_("At most one such message a day is sent to an address."),
        ),
        "good",
    ),
    "gone": (
        N_("This campaign is no longer here"),
        (
            N_(
                "Its pages were taken away. Whoever runs this site can still withdraw or erase what you signed: please ask."
            ),
        ),
        "wait",
    ),
    "closed": (
        N_("This letter can no longer be signed"),
        (N_("Signing has ended. Those who have signed can still open their own page."),),
        "wait",
    ),
    "not yet": (N_("This letter cannot be signed yet"), (N_("Please come back when signing has begun."),), "wait"),
}


def message(words: Words, kind: str) -> Told:
    """What `message.html` says. `kind` is one of `MESSAGES`; raises KeyError for another."""
    title, text, tone = _MESSAGES[kind]
    return Told(words.gettext(title), tuple(words.gettext(line) for line in text), tone)


MESSAGES = frozenset(_MESSAGES)

_TRY_LATER = N_("Please try again in a few minutes. Nothing that you were told was saved is lost.")
_GO_BACK = N_("Please go back, load the page anew and try again.")

_PROBLEMS: dict[int, tuple[str, str, str]] = {
    400: (N_("That could not be read"), N_("Something in what your browser sent was not as it must be."), _GO_BACK),
    403: (
        N_("That is not allowed here"),
        N_("The form seems to have been sent from another place than its own page."),
        _GO_BACK,
    ),
    404: (
        N_("There is no such page"),
        N_("The address is incomplete, or the page has gone."),
        N_("Please check the address, or look for the letter in the list."),
    ),
    405: (N_("That cannot be done here"), N_("This page cannot be used in this way."), _GO_BACK),
    408: (N_("That took too long"), N_("Your connection was too slow for the form to arrive whole."), _GO_BACK),
    413: (
        N_("That was too much"),
        N_("More was sent than this page takes."),
        N_("Please shorten what you wrote and try again."),
    ),
    429: (
        N_("Too many at once"),
        N_("Too many requests came from your connection."),
        N_("Please try again in an hour. If you share the connection with many people, try another one."),
    ),
    500: (N_("Something went wrong on our side"), N_("The fault was recorded. It is not yours."), _TRY_LATER),
    503: (
        N_("This page is not available just now"),
        N_("The service is being looked after or is very busy."),
        _TRY_LATER,
    ),
}


def problem(words: Words, status: int) -> tuple[str, str, str]:
    """Title, sentence and what to do next for an HTTP status; one without words of its own takes those of 400 or 500."""
    title, sentence, advice = _PROBLEMS.get(status) or _PROBLEMS[500 if status >= 500 else 400]  # noqa: PLR2004 - RFC 9110, 15.6
    return words.gettext(title), words.gettext(sentence), words.gettext(advice)
