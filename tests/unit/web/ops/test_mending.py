"""From a need's command line to the page that does the same."""

import pytest

from worker.web.ops.mending import mending, need_view


@pytest.mark.parametrize(
    ("command", "href", "acts"),
    [
        ('lettershop resume relay main --reason "what was mended"', "/ops/act/resume?scope=relay&target=main", True),
        ("lettershop resume everything --reason x", "/ops/act/resume?scope=everything", True),
        ('lettershop redirect a-b NEW-ADDRESS --reason "x"', "/ops/act/redirect?office=a-b", True),
        (
            'lettershop resolve sent --all --reason "x" (or: again)',
            "/ops/act/letters-resolve-sent?state=in_doubt",
            True,
        ),
        ("lettershop letters list --state queued --office nato", "/ops/letters?state=queued&office=nato", False),
        ('lettershop sendouts approve 7 --reason "why"', "/ops/sendouts/7", False),
        ("lettershop sendouts list", "/ops/sendouts", False),
        ("lettershop acts go-on 12", "/ops/acts/12", False),
        ("lettershop signatures held", "/ops/reviews", False),
        ("lettershop audit verify", "/ops/audit", False),
    ],
)
def test_a_verb_has_its_page(command, href, acts):
    found = mending(command)
    assert (found.href, found.acts) == (href, acts)


@pytest.mark.parametrize(
    "command", ["df -h (on mill-1; make room)", "lettershop up", "", 'lettershop "', "timedatectl set-ntp true (on x)"]
)
def test_what_only_a_shell_can_do_has_none(command):
    assert mending(command) is None


def test_a_hostile_name_stays_inside_its_address():
    found = mending("lettershop resume relay 'x&scope=everything#\"<script>' --reason y")
    assert found.href == "/ops/act/resume?scope=relay&target=x%26scope%3Deverything%23%22%3Cscript%3E"


@pytest.mark.parametrize(
    ("kind", "target", "path"),
    [
        ("mailbox", "nato", "/ops/letters?state=queued&office=nato"),
        ("in-doubt", "", "/ops/letters?state=in_doubt"),
        ("set-aside", "", "/ops/letters?state=held"),
        ("refused", "refused", "/ops/letters?state=refused"),
        ("quota", "main", "/ops/letters"),
    ],
)
def test_the_number_of_a_need_leads_to_its_letters(kind, target, path):
    need = {"kind": kind, "target": target, "text": "", "since": None, "severity": "act", "mend": "", "letters": 3}
    assert need_view(need)["list"] == path
