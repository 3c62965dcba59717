"""`init` lays out a home once and overwrites nothing."""

import shutil
import stat
from pathlib import Path

import pytest

import worker
from worker.domain.errors import BadInput, Failed, RefusedByState
from worker.ledger.keys import Keys
from worker.operations import init
from worker.operations.check import check
from worker.operations.init import ensure_keys, init_home, sample_root
from worker.settings import load_home


def test_a_fresh_home_loads_and_passes_its_check(tmp_path):
    laid = init_home(tmp_path / "new" / "home")
    assert laid.root == tmp_path / "new" / "home"
    home = load_home(laid.root, {})
    assert set(home.campaigns) == {"justice-for-khojaly", "town-library"}
    assert check(home).ok
    keys = home.settings.keys
    assert laid.keys == (keys.data, keys.lookup, keys.seal)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in laid.keys)
    assert stat.S_IMODE(home.var.stat().st_mode) == 0o700
    assert Keys.load(keys.data, keys.lookup, keys.seal)


def test_an_empty_directory_may_be_there_already(tmp_path):
    assert init_home(tmp_path).root == tmp_path


def test_nothing_is_overwritten(tmp_path):
    laid = init_home(tmp_path / "home")
    before = {path: path.read_bytes() for path in laid.root.rglob("*") if path.is_file()}
    with pytest.raises(RefusedByState, match="is there already; `init` overwrites nothing"):
        init_home(laid.root)
    assert {path: path.read_bytes() for path in laid.root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("part", ["config", "templates", "var"])
def test_a_part_of_a_home_is_left_alone(tmp_path, part):
    (tmp_path / part).mkdir()
    with pytest.raises(RefusedByState, match=f"{part} is there already"):
        init_home(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [part]


def test_a_checkout_used_as_a_home_gets_its_keys(draft):
    before = (draft.root / "config/lettershop.toml").read_bytes()
    draft.edit("config/lettershop.toml", "# allow_test_domains", "allow_test_domains")
    assert len(init_home(draft.root).keys) == 3
    assert (draft.root / "config/lettershop.toml").read_bytes() != before
    with pytest.raises(RefusedByState):
        init_home(draft.root)


def test_lost_keys_are_not_made_anew_beside_a_ledger(draft):
    draft.write("var/ledger.db", "")
    with pytest.raises(RefusedByState, match=r"ledger\.db is there already"):
        init_home(draft.root)
    settings = draft.load().settings
    assert ensure_keys(settings.keys, settings.ledger.url) == ()


def test_keys_are_ensured_once(draft):
    settings = draft.load().settings
    assert len(ensure_keys(settings.keys, settings.ledger.url)) == 3
    settings.keys.seal.unlink()
    assert ensure_keys(settings.keys, settings.ledger.url) == ()
    assert ensure_keys(settings.keys, "postgresql://db.test/letters") == ()


def test_where_no_directory_can_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be made: Not a directory; choose another"):
        init_home(tmp_path / "file" / "home")


def test_the_wheel_carries_the_sample_beside_the_package(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "worker"
    for part in init.PARTS:
        shutil.copytree(Path(worker.__file__).parents[1] / part, package / "sample" / part)
    monkeypatch.setattr(worker, "__file__", str(package / "__init__.py"))
    assert sample_root() == package / "sample"
    assert load_home(init_home(tmp_path / "home").root, {}).campaigns


def test_an_installation_without_its_sample_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "__file__", str(tmp_path / "worker" / "__init__.py"))
    with pytest.raises(Failed, match="install lettershop again"):
        sample_root()


def test_read_only_samples_give_a_home_that_can_be_edited(tmp_path, monkeypatch):
    package = tmp_path / "worker"
    for part in init.PARTS:
        shutil.copytree(Path(worker.__file__).parents[1] / part, package / "sample" / part)
    for path in package.rglob("*"):
        if path.is_file():
            path.chmod(0o444)
    monkeypatch.setattr(worker, "__file__", str(package / "__init__.py"))
    laid = init_home(tmp_path / "home")
    assert (laid.root / "config/lettershop.toml").stat().st_mode & stat.S_IWUSR
