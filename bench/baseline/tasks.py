"""The Celery app of the baseline, as it stands in many a project: one task renders one letter and sends it.

Settings by environment: BASELINE_BROKER, BASELINE_PORT, BASELINE_KEEP ("1": a process keeps its connection).
"""

import os
import smtplib
import tomllib
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any

from celery import Celery
from jinja2 import Environment, FileSystemLoader

ROOT = Path(__file__).parents[2]
OFFICES = 10

app = Celery("baseline", broker=os.environ.get("BASELINE_BROKER", "memory://"))
app.conf.update(task_acks_late=True, task_ignore_result=True, broker_connection_retry_on_startup=True)

_port = int(os.environ.get("BASELINE_PORT", "25"))
_keep = os.environ.get("BASELINE_KEEP") == "1"
_kept: list[smtplib.SMTP] = []

_campaign = tomllib.loads((ROOT / "config/campaigns/justice-for-khojaly.toml").read_text())
_register = {o["id"]: o for o in tomllib.loads((ROOT / "config/offices.toml").read_text())["offices"]}
_offices = [_register[name] for name in _campaign["offices"]][:OFFICES]
_templates = Environment(
    loader=FileSystemLoader(ROOT / "templates/justice-for-khojaly/en"), autoescape=lambda name: name.endswith(".html")
)
_values = {
    "campaign": _campaign | {"addressees": [f"{o['title']}, {o['organisation']}" for o in _offices]},
    "goals": _campaign["goals"],
}


def make_message(signer: dict[str, str], office: dict[str, Any]) -> EmailMessage:
    """The letter of one signer to one office."""
    values = _values | {"signer": signer, "office": {"salutation": "Excellency", "holder": "", "form": "", **office}}
    message = EmailMessage()
    message["Subject"] = f"{_campaign['subject_tag']} {_templates.get_template('subject.txt').render(values)}"
    message["From"] = Address(f"{signer['name']} via {_campaign['name']}", addr_spec=_campaign["sender"]["address"])
    message["To"] = Address(office["title"], addr_spec=office["mailbox"])
    message["Reply-To"] = _campaign["sender"]["reply_to"]
    message["List-Id"] = f"<{_campaign['list_id']}>"
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="justice-for-khojaly.example")
    message.set_content(_templates.get_template("letter.txt").render(values))
    message.add_alternative(_templates.get_template("letter.html").render(values), subtype="html")
    return message


@app.task(bind=True, autoretry_for=(OSError, smtplib.SMTPException), retry_backoff=True, max_retries=10)
def send_letter(_task: Any, signer: dict[str, str], office: int) -> None:
    """Render and send one letter."""
    message = make_message(signer, _offices[office])
    if not _keep:
        with smtplib.SMTP("127.0.0.1", _port, timeout=60) as connection:
            connection.send_message(message)
        return
    try:
        if not _kept:
            _kept.append(smtplib.SMTP("127.0.0.1", _port, timeout=60))
        _kept[0].send_message(message)
    except (OSError, smtplib.SMTPException):
        _kept.clear()
        raise
