"""Importing CSV files: the whole, the broken, the interrupted, on both databases."""

import csv
import stat
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.integration.intake.scene import (
    NOON,
    OFFICES,
    ROOT,
    campaign,
    child,
    letters_of,
    make_intake,
    person,
    rows,
    signature_row,
    standing,
    token_of,
)
from tests.integration.intake.travel import DAY, DAY_US, linked, mail, page_token
from worker.domain.errors import BadInput, Failed, RefusedByState
from worker.intake import Intake, Progress, Tally, import_file
from worker.intake.bulk import chunk_size
from worker.intake.own_page import OwnPages
from worker.ledger import counts
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.schema import consents, imports, letters, signatures

HEADER = "name,email,country,city,comment,language,yearly\n"


def written(tmp_path: Path, n: int, *, extra: str = "") -> Path:
    file = tmp_path / "people.csv"
    lines = [
        f'Sample Signer,signer{i}@mail.example,GB,Town,"I ask\nyou",en,{"yes" if i == 0 else ""}\n' for i in range(n)
    ]
    file.write_text(HEADER + "".join(lines) + extra)
    return file


def test_a_file_is_imported_with_its_rejected_rows_beside_it(ledger: Ledger, ledger_keys: Keys, tmp_path: Path) -> None:
    extra = "".join(
        [
            "Sample Signer,signer0@mail.example,GB,,,,\n",
            '"=cmd, Signer",nobody,GB,,"with, comma",,\n',
            "short,row\n",
            "x" * 200_000 + "\n",
        ]
    )
    file = written(tmp_path, 5, extra=extra)
    told: list[Progress] = []
    intake = make_intake(ledger, ledger_keys)
    report = import_file(intake, "library", file, evidence="paper lists", progress=told.append)
    assert report.tally == Tally(accepted=5, repeated=1, rejected=3, letters=15)
    assert (report.number, report.letters, report.finished_before) == (1, 15, False)
    assert told[-1].bytes_done == told[-1].size == file.stat().st_size
    assert report.rejected_file == tmp_path / "people.csv.rejected.csv"
    assert stat.S_IMODE(report.rejected_file.stat().st_mode) == 0o600
    with report.rejected_file.open(newline="") as opened:
        bad = list(csv.DictReader(opened))
    assert [row["line"] for row in bad] == ["13", "14", "15"]
    assert (bad[0]["name"], bad[0]["comment"]) == ("=cmd, Signer", "with, comma")
    assert "email:" in bad[0]["reason"]
    assert "has 2 cells" in bad[1]["reason"]
    assert "longer than 64 KiB" in bad[2]["reason"]
    row = signature_row(ledger, 1)
    assert (row["source"], row["evidence"], row["state"]) == ("import:1", "paper lists", "confirmed")
    kinds = [c["kind"] for c in rows(ledger, sa.select(consents))]
    assert (kinds.count("send"), kinds.count("yearly")) == (5, 1)
    assert list(tmp_path.glob("*.part")) == []


def test_the_mended_rejected_rows_are_imported_as_they_are(ledger: Ledger, ledger_keys: Keys, tmp_path: Path) -> None:
    intake = make_intake(ledger, ledger_keys)
    file = written(tmp_path, 1, extra="Sample Signer,nobody,GB,,,,\n")
    rejected = import_file(intake, "library", file, evidence="e").rejected_file
    assert rejected is not None
    rejected.write_text(rejected.read_text().replace("nobody", "somebody@mail.example"))
    report = import_file(intake, "library", rejected, evidence="e")
    assert (report.tally.accepted, report.rejected_file) == (1, None)


def test_importing_again_changes_nothing(ledger: Ledger, ledger_keys: Keys, tmp_path: Path) -> None:
    intake = make_intake(ledger, ledger_keys)
    file = written(tmp_path, 3)
    first = import_file(intake, "library", file, evidence="e")
    intake.withdraw(1)
    again = import_file(intake, "library", file, evidence="e")
    assert again.finished_before
    assert (again.number, again.tally.accepted, again.letters) == (first.number, 3, 0)
    assert first.tally.rows == again.tally.rows
    assert standing(ledger) == {"confirmed": 2, "withdrawn": 1}
    with pytest.raises(RefusedByState, match="other evidence"):
        import_file(intake, "library", file, evidence="something else")


def test_a_file_that_cannot_be_used_leaves_no_trace(ledger: Ledger, ledger_keys: Keys, tmp_path: Path) -> None:
    intake = make_intake(ledger, ledger_keys)
    file = tmp_path / "people.csv"
    file.write_bytes(b"name,email,country\nZo\xeb,z@mail.example,GB\n")
    with pytest.raises(BadInput, match="line 2 is not UTF-8"):
        import_file(intake, "library", file, evidence="e")
    file.write_text("name;email;country\n")
    with pytest.raises(BadInput, match="must name the columns"):
        import_file(intake, "library", file, evidence="e")
    file.write_text("name,email,country\nSample,s@mail.example,GB\n")
    with pytest.raises(BadInput, match="evidence is missing"):
        import_file(intake, "library", file, evidence="")
    with pytest.raises(RefusedByState, match="closed"):
        import_file(make_intake(ledger, ledger_keys, campaign(closes=NOON)), "library", file, evidence="e")
    assert rows(ledger, sa.select(imports)) + rows(ledger, sa.select(signatures)) == []
    assert [path.name for path in tmp_path.glob("people*")] == ["people.csv"]


def test_a_header_alone_is_an_empty_import(ledger: Ledger, ledger_keys: Keys, tmp_path: Path) -> None:
    report = import_file(make_intake(ledger, ledger_keys), "library", written(tmp_path, 0), evidence="e")
    assert (report.tally, report.rejected_file) == (Tally(), None)


def test_an_import_killed_between_chunks_goes_on(ledger: Ledger, ledger_keys: Keys, tmp_path: Path) -> None:
    intake = make_intake(ledger, ledger_keys)
    size = chunk_size(intake.desk, campaign())
    n = 3 * size
    file = written(tmp_path, n, extra="short,row\nSample Signer,signer1@mail.example,GB,,,,\n")
    # a bad row among those that are done before the kill
    file.write_text(file.read_text().replace("signer3@mail.example", "nobody"))
    arguments = (ledger.url, str(tmp_path / "keys"), str(file), "2")
    with subprocess.Popen(
        child("child_import", *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout
        assert int(process.stdout.readline()) == 2 * size
        process.kill()
    (begun,) = rows(ledger, sa.select(imports))
    assert (begun["rows_done"], begun["finished_at"]) == (2 * size, None)
    report = import_file(intake, "library", file, evidence="paper lists")
    assert report.tally.rows == n + 2
    assert (report.tally.accepted, report.tally.repeated, report.tally.rejected) == (n - 1, 1, 2)
    assert report.letters == 3 * size
    assert report.rejected_file is not None
    assert len(report.rejected_file.read_text().splitlines()) == 1 + 2 + 1  # one comment has two lines
    with ledger.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(letters)).scalar() == 3 * (n - 1)
        assert counts.verify(connection) == []


def test_two_runs_of_one_import_do_not_mix(ledger: Ledger, ledger_keys: Keys, tmp_path: Path) -> None:
    intake = make_intake(ledger, ledger_keys)
    size = chunk_size(intake.desk, campaign())
    file = written(tmp_path, 2 * size)
    inner: list[Tally] = []

    def meanwhile(_: Progress) -> None:
        if not inner:
            inner.append(Tally())
            inner.append(import_file(intake, "library", file, evidence="e").tally)

    with pytest.raises(RefusedByState, match="another run of this import is under way"):
        import_file(intake, "library", file, evidence="e", progress=meanwhile)
    assert inner[1].accepted == 2 * size
    assert import_file(intake, "library", file, evidence="e").tally.accepted == 2 * size
    assert standing(ledger) == {"confirmed": 2 * size}


def test_who_withdrew_meanwhile_is_told_as_repeated_no_more(ledger: Ledger, ledger_keys: Keys, tmp_path: Path) -> None:
    intake = make_intake(ledger, ledger_keys)
    signed = intake.submit("library", person(0), evidence="e")
    intake.withdraw(signed.signature)
    report = import_file(intake, "library", written(tmp_path, 1), evidence="they signed again on paper")
    assert report.tally.accepted == 1


def test_a_list_of_rejected_rows_that_cannot_be_written_stops_the_import(
    ledger: Ledger, ledger_keys: Keys, tmp_path: Path
) -> None:
    intake = make_intake(ledger, ledger_keys)
    file = written(tmp_path, 1, extra="short,row\n")
    in_the_way = tmp_path / "people.csv.rejected.csv.part"
    in_the_way.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Failed, match="run the import again, it goes on where it was"):
        import_file(intake, "library", file, evidence="e")
    assert not (tmp_path / "elsewhere").exists()
    report = import_file(intake, "library", file, evidence="e")
    assert (report.tally.accepted, report.tally.rejected) == (1, 1)


# -- notices, and letters that wait ------------------------------------------------------------------------------------
@pytest.fixture
def paged(ledger: Ledger, ledger_keys: Keys) -> Intake:
    """A door to a campaign that has pages for its signers."""
    return make_intake(ledger, ledger_keys, linked(), linked("park"))


def test_each_signer_is_told_at_once_and_their_letters_wait(
    ledger: Ledger, ledger_keys: Keys, paged: Intake, tmp_path: Path
) -> None:
    report = import_file(paged, "library", written(tmp_path, 3), evidence="e", wait=DAY)
    assert report.letters == 9  # letters to offices; notices are not counted among them
    for number in (1, 2, 3):
        made = letters_of(ledger, number)
        (notice,) = (each for each in made if each["addressee"] == "signer")
        assert (notice["sendout"], notice["state"], notice["due_at"]) == ("imported-1", "queued", notice["made_at"])
        offices = [each for each in made if each["addressee"] != "signer"]
        assert {(each["state"], each["due_at"] - each["made_at"]) for each in offices} == {("queued", DAY_US)}
        assert {each["reason"] for each in offices} == {"imported"}
        assert OwnPages(paged).read(page_token(ledger, ledger_keys, number)).state == "confirmed"


def test_without_pages_nobody_is_told_and_without_a_wait_letters_are_due(
    ledger: Ledger, ledger_keys: Keys, tmp_path: Path
) -> None:
    import_file(make_intake(ledger, ledger_keys), "library", written(tmp_path, 1), evidence="e")
    assert {each["addressee"]: each["due_at"] - each["made_at"] for each in letters_of(ledger, 1)} == dict.fromkeys(
        OFFICES, 0
    )


def test_who_asked_for_quiet_is_imported_and_not_told(
    ledger: Ledger, ledger_keys: Keys, paged: Intake, tmp_path: Path
) -> None:
    signed = paged.sign("park", person(1))
    OwnPages(paged).never(token_of(ledger, ledger_keys, signed.signature))
    assert import_file(paged, "library", written(tmp_path, 3), evidence="e").letters == 9
    assert mail(ledger) == [("confirm-1", "cancelled"), ("imported-1", "queued"), ("imported-1", "queued")]
