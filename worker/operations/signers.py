"""A signer's own data, for an operator who must see it: opened on request only, with an audit row in the same transaction.

Nothing else on the operators' pages opens it.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.errors import BadInput, RefusedByState
from worker.ledger import audit, people
from worker.ledger.book import Ledger
from worker.ledger.schema import campaigns, signatures
from worker.ledger.sql import now_us
from worker.ledger.transact import transact
from worker.operations.holds import checked_reason

_SHOWN = ("name", "email", "country", "city", "comment", "language")


def show_signer(ledger: Ledger, signature: int, who: str, reason: str) -> dict[str, Any]:
    """Who signed: signature, campaign, state, and the signer's name, email, country, city, comment and language.

    The look stands in the audit, which names the signature by its number. Raises BadInput for an unknown signature or a
    reason that is none, RefusedByState where the signer was erased.
    """
    checked_reason(reason)

    def work(connection: Connection) -> dict[str, Any]:
        found = connection.execute(
            sa.select(signatures.c.state, campaigns.c.slug)
            .join(campaigns, campaigns.c.id == signatures.c.campaign_id)
            .where(signatures.c.id == signature)
        ).first()
        if found is None:
            raise BadInput(f"there is no signature {signature}")
        opened = people.opened(connection, ledger.keys, signature)
        if opened is None:
            raise RefusedByState("the signer was erased: nothing of them is left that could be shown")
        audit.append(connection, now_us(connection), who, "look", f"signature {signature}", reason)
        person = opened.person.body()
        return {
            "signature": signature,
            "campaign": found.slug,
            "state": found.state,
            **{name: person[name] for name in _SHOWN},
        }

    return transact(ledger, work)
