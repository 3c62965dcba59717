"""Registers from files and into files: what is taken, what is refused with its place, formulas kept harmless."""

import csv
import io
from datetime import UTC, datetime

import pytest

from tests.fixtures.homes import CHECKOUT, Draft
from worker.domain.errors import BadInput, RefusedByState
from worker.operations.register import as_csv, propose, read_entries, read_register, write_new
from worker.operations.register.columns import COLUMNS, guarded, unguarded
from worker.operations.register.importing import BYTES_MOST

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MAYOR = "sampleton-mayor"
NEW = {"id": "clerk", "title": "Clerk", "organisation": "Sampleton", "time_zone": "Europe/Dublin", "language": "en",
       "mailbox": "clerk@sampleton.example"}  # fmt: skip


def proposed(draft: Draft, path):
    home = draft.load()
    register = read_register(home.root)
    return propose(home, read_entries(path, register.entries), NOW, register)


def csv_file(draft: Draft, *rows: dict, name: str = "in.csv"):
    path = draft.root / name
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def refused(draft: Draft, data: bytes, name: str = "in.csv") -> str:
    """What is said of the file; nothing may have been changed."""
    path = draft.root / name
    path.write_bytes(data)
    before = (draft.root / "config/offices.toml").read_bytes()
    with pytest.raises(BadInput) as told:
        proposed(draft, path)
    assert (draft.root / "config/offices.toml").read_bytes() == before
    return str(told.value).replace(f"{draft.root}/", "")


# -- round trips
def test_an_export_that_comes_back_changes_nothing(draft):
    register, home = read_register(draft.root), draft.load()
    for name, text in (("out.csv", as_csv(register, home.offices, NOW)), ("out.toml", register.document.text)):
        path = draft.root / name
        write_new(path, text)
        assert proposed(draft, path).changes == ()
        assert proposed(draft, path).text == register.document.text


def test_bom_crlf_and_blank_lines_do_no_harm(draft):
    register, home = read_register(draft.root), draft.load()
    text = as_csv(register, home.offices, NOW)
    assert "\r\n" in text
    path = draft.root / "out.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n")
    assert proposed(draft, path).changes == ()


def test_a_file_that_is_there_is_not_overwritten(draft):
    path = draft.root / "out.csv"
    path.write_text("mine")
    with pytest.raises(BadInput, match="is there already; nothing was written"):
        write_new(path, "theirs")
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1", "-1", "@x", "\t=1", "'=1", "''", "'s-Town", "'", "", "plain", "＝1", "'＝1"],  # noqa: RUF001 -- wide
)
def test_no_cell_is_a_formula_and_each_comes_back(cell):
    kept = guarded(cell)
    assert unguarded(kept) == cell
    assert not kept.startswith(("=", "+", "-", "@", "\t", "＝"))  # noqa: RUF001 -- wide


def test_a_title_like_a_formula_goes_out_guarded_and_comes_back(draft):
    draft.edit("config/offices.toml", 'title = "Mayor"', 'title = "=HYPERLINK(1)"')
    text = as_csv(read_register(draft.root), draft.load().offices, NOW)
    row = next(csv.DictReader(io.StringIO(text)))
    assert row["title"] == "'=HYPERLINK(1)"
    path = draft.root / "out.csv"
    path.write_text(text, newline="")
    assert proposed(draft, path).changes == ()


# -- what is taken
def test_new_and_changed_offices(draft):
    path = draft.root / "in.toml"
    path.write_text(f'[[offices]]\nid = "{MAYOR}"\ntitle = "Lord Mayor"\n')
    (change,) = proposed(draft, path).changes
    assert (change.office, change.keys) == (MAYOR, ["title"])
    made = proposed(draft, csv_file(draft, {**NEW, "holder_name": "Robin Sample", "holder_from": "2026-01-01"}))
    assert [each.office for each in made.changes] == ["clerk"]
    assert made.offices["clerk"].holders[0].name == "Robin Sample"
    assert made.text.startswith(read_register(draft.root).document.text)


def test_a_row_says_only_what_its_columns_name(draft):
    path = csv_file(draft, {"id": MAYOR, "holidays": "IE", "stale": "hold"})
    (change,) = proposed(draft, path).changes
    assert change.keys == ["holidays", "stale"]
    assert change.after["holders"] == change.before["holders"]


def test_a_named_holder_ends_the_former_one(draft):
    row = {"id": MAYOR, "holder_name": "Robin Sample", "holder_from": "2026-12-01", "holder_verified": "2026-11-20"}
    made = proposed(draft, csv_file(draft, row))
    former, new = made.offices[MAYOR].holders
    assert (str(former.until), new.name) == ("2026-11-30", "Robin Sample")


def test_a_table_can_retire_an_office(draft):
    row = {"id": MAYOR, "accepts_letters": "no", "refusal_date": "2026-11-01", "refusal_reason": "asked",
           "refusal_evidence": "mail"}  # fmt: skip
    assert not proposed(draft, csv_file(draft, row)).offices[MAYOR].accepts_letters


# -- what is refused
HEADER = ",".join(NEW).encode()
ROW = ",".join(NEW.values())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "in.csv:1: the first line must name the columns, id among them"),
        (b"id\n", "in.csv names no office"),
        (b"title\nClerk\n", "in.csv:1: the first line must name the columns"),
        (b"id,titel\nx,y\n", "in.csv:1: column 2 is called 'titel', which no office has; did you mean \"title\"?"),
        (b"id,title,title\n", "in.csv:1: column 3: title is named twice; keep one"),
        (b"id,title\nx\n", "in.csv:2: the row has 1 cells where the first line names 2 columns"),
        (b"id,title\nx,\xff\n", 'in.csv:2: not UTF-8; save the file as "CSV UTF-8"'),
        (b"id,title\nx,a\x00b\n", "in.csv:2: the character 4 of the line is a control character"),
        (b"id,title\nx,a\x1bb\n", "in.csv:2: the character 4 of the line is a control character"),
        (b'id,title\nx,"never closed\n', "in.csv:2: not a row of a CSV file"),
        (b"id,title\nx," + b"a" * 200_000 + b"\n", "in.csv:2: not a row of a CSV file (field larger than field limit"),
        (b"x" * (BYTES_MOST + 1), "in.csv has 8,388,609 bytes, more than a register ever has"),
        (b"id,as_of\nx,01.02.2026\n", "in.csv:2: column as_of: '01.02.2026' is not a day; write it like 2027-01-31"),
        (b"id,accepts_letters\nx,maybe\n", "in.csv:2: column accepts_letters: 'maybe' is neither yes nor no"),
        (b"id,title\n,y\n", "in.csv:2: column id: is empty"),
        (b"id,holder_form\nsampleton-mayor,Mr.\n", "in.csv:2: column holder_name: is empty, though the row says more"),
        (b"id,holder_name\nsampleton-mayor,New\n", "in.csv:2: column holder_from: office sampleton-mayor has a holder"),
        (b"id,country\nsampleton-mayor,Ireland\n", "in.csv:2: column country: country: 'Ireland' is not a country"),
        (b"id,time_zone\nsampleton-mayor,Mars\n", "in.csv:2: column time_zone: time_zone: 'Mars' is not a time zone"),
        (b"id,language\nsampleton-mayor,English\n", "in.csv:2: column language: language: 'English' is not a language"),
        (b"id,mailbox\nsampleton-mayor,nobody\n", "in.csv:2: column mailbox: mailbox: not a usable e-mail address"),
        (b'id,title\nsampleton-mayor,"two\nlines"\n', "in.csv:2: column title: title: holds a line break"),
        (b"id,vacancy\nsampleton-mayor,wait\n", "in.csv:2: column vacancy: vacancy: "),
        (b"id,title\nNo Slug,y\n", "in.csv:2: column id: id: 'No Slug' is not an id"),
        (b"id,title\nsampleton-mayor,a\nsampleton-mayor,b\n", "in.csv:3: column id: office 'sampleton-mayor' is given"),
        (b"id,refusal_reason\nsampleton-mayor,asked\n", "in.csv:2: column refusal_date: refusal.date is missing"),
    ],
)  # fmt: skip
def test_each_fault_is_told_with_its_place(draft, data, said):
    assert refused(draft, data).startswith(said)


def test_all_faults_are_told_at_once(draft):
    told = refused(draft, HEADER + b"\n" + ROW.replace("Europe/Dublin", "Mars").encode() + b"\n" + b"x,y,z,UTC,en,no\n")
    assert told.splitlines() == [
        'in.csv:2: column time_zone: time_zone: \'Mars\' is not a time zone; write one like "Europe/Paris" or "UTC"',
        "in.csv:3: column mailbox: mailbox: not a usable e-mail address: An email address must have an @-sign.",
    ]


def test_a_new_office_needs_the_whole_of_it(draft):
    assert (
        refused(draft, b"id,title\nclerk,Clerk\n").splitlines()[0]
        == "in.csv:2: column organisation: organisation is missing"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("offices = 1\n", "in.toml must hold [[offices]] tables, and nothing else"),
        ('mode = "live"\n[[offices]]\nid = "x"\n', "and nothing else: not mode"),
        ('[[offices]]\ntitle = "x"\n', "in.toml:1: offices[0] has no id"),
        ('[[offices]]\nid = "sampleton-mayor"\ntitel = "x"\n', "in.toml:3: titel is not a known key"),
        ("[[offices]\n", "in.toml:1: this is not TOML"),
        ('[[offices]]\nid = "sampleton-mayor"\nholders = 7\n', "in.toml:3: holders: "),
    ],
)
def test_faults_of_a_toml_file(draft, text, said):
    assert said in refused(draft, text.encode(), "in.toml")


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_what_is_no_file(draft, name):
    with pytest.raises(BadInput):
        read_entries(draft.root / name, {})


# -- the file itself
def test_a_register_changed_meanwhile_is_left_alone(draft):
    register = read_register(draft.root)
    draft.edit("config/offices.toml", 'title = "Mayor"', 'title = "Lord Mayor"')
    mine = (draft.root / "config/offices.toml").read_bytes()
    with pytest.raises(RefusedByState, match="was changed meanwhile by somebody else"):
        register.save(register.document.text + "\n# me")
    assert (draft.root / "config/offices.toml").read_bytes() == mine
    assert sorted(each.name for each in (draft.root / "config").iterdir() if each.name.startswith(".")) == []


def test_line_ends_bom_mode_and_links_stay(draft):
    path, real = draft.root / "config/offices.toml", draft.root / "kept.toml"
    real.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    real.chmod(0o640)
    path.unlink()
    path.symlink_to(real)
    register = read_register(draft.root)
    register.save(register.document.text + "# the end\n")
    assert path.is_symlink()
    assert real.read_bytes() == register.data + b"# the end\r\n"
    assert real.stat().st_mode & 0o777 == 0o640


def test_offices_in_one_list_cannot_be_edited(draft):
    inline = ", ".join(f"{key} = {value!r}".replace("'", '"') for key, value in NEW.items())
    draft.write("config/offices.toml", f"offices = [{{ {inline} }}]\n")
    with pytest.raises(BadInput, match=r"write each as an \[\[offices\]\] table"):
        read_register(draft.root).editable()


def test_the_manual_names_every_column():
    manual = (CHECKOUT / "docs/offices.md").read_text()
    assert [column for column in COLUMNS if f"`{column}`" not in manual] == []
