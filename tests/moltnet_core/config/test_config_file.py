"""The configuration file: search and formats."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.privileges import run_unprivileged

from moltnet_core.config import SEARCHED_NAMES, find_config_file, load_config_file
from moltnet_core.errors import ConfigError


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_the_search_goes_in_order(tmp_path: Path) -> None:
    assert find_config_file({}, tmp_path) is None
    for name in reversed(SEARCHED_NAMES):
        path = write(tmp_path / name, "")
        assert find_config_file({}, tmp_path) == path


def test_a_directory_of_a_searched_name_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "Moltnet").mkdir()
    assert find_config_file({}, tmp_path) is None
    path = write(tmp_path / "moltnet.yml", "")
    assert find_config_file({}, tmp_path) == path


def test_a_link_to_nothing_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "moltnet.yaml").symlink_to(tmp_path / "gone")
    with pytest.raises(ConfigError, match=r"moltnet\.yaml"):
        find_config_file({}, tmp_path)


def test_named_files(tmp_path: Path) -> None:
    write(tmp_path / "moltnet.yaml", "")
    other = write(tmp_path / "other.yaml", "")
    third = write(tmp_path / "third.yaml", "")
    assert find_config_file({"MOLTNET_CONFIG": "other.yaml"}, tmp_path) == other
    assert find_config_file({"MOLTNET_CONFIG": str(other)}, tmp_path) == other
    assert find_config_file({"MOLTNET_CONFIG": " "}, tmp_path) == tmp_path / "moltnet.yaml"
    assert find_config_file({"MOLTNET_CONFIG": "other.yaml"}, tmp_path, third) == third


@pytest.mark.parametrize("name", ["gone.yaml", ".", "a\0b", "x" * 5000])
def test_a_named_file_has_to_exist(tmp_path: Path, name: str) -> None:
    write(tmp_path / "moltnet.yaml", "")
    with pytest.raises(ConfigError) as caught:
        find_config_file({"MOLTNET_CONFIG": name}, tmp_path)
    assert caught.value.key == "MOLTNET_CONFIG"
    with pytest.raises(ConfigError):
        find_config_file({}, tmp_path, name)


def test_a_dsn_in_the_place_of_a_file_is_not_shown(tmp_path: Path, dsn: str, secret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_config_file({"MOLTNET_CONFIG": dsn}, tmp_path)
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Moltnet", "storage:\n  kind: sqlite\n  sqlite: {path: a.db, pages: 3, sync: false}\n"),
        ("x.conf", "storage: {kind: sqlite, sqlite: {path: a.db, pages: 3, sync: false}}"),
        ("moltnet.json", '{"storage": {"kind": "sqlite", "sqlite": {"path": "a.db", "pages": 3, "sync": false}}}'),
        ("moltnet.JSON", '{"storage": {"kind": "sqlite", "sqlite": {"path": "a.db", "pages": 3, "sync": false}}}'),
        ("moltnet.toml", '[storage]\nkind = "sqlite"\n[storage.sqlite]\npath = "a.db"\npages = 3\nsync = false\n'),
    ],
)
def test_formats(tmp_path: Path, name: str, text: str) -> None:
    expected = {"storage": {"kind": "sqlite", "sqlite": {"path": "a.db", "pages": 3, "sync": False}}}
    assert load_config_file(write(tmp_path / name, text)).document == expected
    assert load_config_file(write(tmp_path / name, b"\xef\xbb\xbf" + text.encode())).document == expected


@pytest.mark.parametrize("name", ["a.yaml", "a.json", "a.toml", "Moltnet"])
@pytest.mark.parametrize("text", ["", " \n\t\n"])
def test_an_empty_file_says_nothing(tmp_path: Path, name: str, text: str) -> None:
    assert load_config_file(write(tmp_path / name, text)).document == {}


def test_a_file_of_comments_says_nothing(tmp_path: Path) -> None:
    assert load_config_file(write(tmp_path / "a.yaml", "# nothing\n")).document == {}


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("a.yaml", "storage:\n  kind: [hunter2\n", "line 3"),
        ("a.yaml", "storage:\n\tkind: hunter2\n", "line 2"),
        ("a.yaml", "a: 1\nb: @hunter2\n", "line 2, column 4"),
        ("a.yaml", "a: *hunter2\n", "line 1, column 4"),
        ("a.yaml", "a: !!python/object/apply:os.system [hunter2]\n", "line 1"),
        ("a.yaml", "a: !hunter2 x\n", "line 1"),
        ("a.yaml", "a: !!timestamp hunter2\n", ""),
        ("a.yaml", "a: !!bool hunter2\n", ""),
        ("a.yaml", "a: !!int hunter2\n", ""),
        ("a.yaml", "a: !!binary hunter2é\n", "line 1"),
        ("a.yaml", "a: 1\n---\nb: hunter2\n", "line 2"),
        ("a.yaml", "a: hunter2\x07\n", "line 1"),
        ("a.yaml", "a: 1\nb: 2\na: hunter2\n", "line 3, column 1"),
        ("a.yaml", 'a: 1\n"a": hunter2\n', "line 2"),
        ("a.yaml", "x: {hunter2: 1, hunter2: 2}\n", "line 1"),
        ("a.yaml", "? [hunter2]\n: 1\n? {hunter2: 1}\n: 2\n", "line"),
        ("a.yaml", "? {hunter2: 1}\n: 2\n", "line"),
        ("a.yaml", f"a: {'9' * 5000}\n", ""),
        ("a.yaml", "a: " + "[" * 100_000, ""),
        ("a.json", '{"a": hunter2}', "line 1, column 7"),
        ("a.json", '{"a": 1,\n "hunter2": }', "line 2"),
        ("a.json", '{"a": 1, "a": "hunter2"}', "mapping: a"),
        ("a.json", '{"a": 1, "postgres://u:hunter2@h": 2, "postgres://u:hunter2@h": 2}', ""),
        ("a.json", '{"a": NaN}', ""),
        ("a.json", f'{{"a": {"9" * 5000}}}', ""),
        ("a.json", '{"a": ' + "[" * 100_000, ""),
        ("a.toml", 'a = "hunter2', "line 1"),
        ("a.toml", 'a = "hunter2"\na = 3\n', ""),
        ("a.toml", f"a = {'9' * 5000}\n", ""),
        ("a.toml", "a = " + "[" * 100_000, ""),
        ("a.yaml", "hunter2", ""),
        ("a.yaml", "- hunter2", ""),
        ("a.json", '["hunter2"]', ""),
        ("a.json", '"hunter2"', ""),
        ("a.yaml", "postgres://u:hunter2@h/db", ""),
    ],
)
def test_bad_files_name_the_place_and_quote_nothing(tmp_path: Path, name: str, text: str, place: str) -> None:
    path = write(tmp_path / name, text)
    with pytest.raises(ConfigError) as caught:
        load_config_file(path)
    error = caught.value
    assert error.source == str(path)
    assert place in str(error)
    assert "hunter2" not in f"{error}{error!r}"
    assert error.__cause__ is None
    assert error.__context__ is None


def test_many_aliases_and_merged_keys_end(tmp_path: Path) -> None:
    bases = [f"a{n}: &a{n} {{{', '.join(f'k{n}_{m}: 1' for m in range(1001))}}}" for n in range(10)]
    merged = f"all: {{<<: [{', '.join(f'*a{n}' for n in range(10))}]}}"
    with pytest.raises(ConfigError):
        load_config_file(write(tmp_path / "a.yaml", "\n".join([*bases, merged])))
    with pytest.raises(ConfigError):
        load_config_file(write(tmp_path / "b.yaml", "a: &a 1\nb: [" + "*a, " * 2000 + "]"))


def test_keys_that_are_merged_again_and_again_end(tmp_path: Path) -> None:
    """Each mapping merges the one before twice. PyYAML doubles the keys each time, or (from 6.0.4) keeps each once."""
    lines = ["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: 1}}" for n in range(1, 40)]
    path = write(tmp_path / "a.yaml", "\n".join(lines))
    try:
        loaded = load_config_file(path)
    except ConfigError as error:
        assert "too many keys" in str(error)
    else:
        assert loaded.document["a39"] == {"x": 1, **{f"k{n}": 1 for n in range(1, 40)}}


def test_merged_keys_are_no_duplicates(tmp_path: Path) -> None:
    text = "base: &base {path: a.db, pages: 1}\nmid: &mid {<<: *base, pages: 2}\nlast: {<<: *mid, pages: 3}\n"
    assert load_config_file(write(tmp_path / "a.yaml", text)).document["last"] == {"path": "a.db", "pages": 3}
    text = "<<: &x {a: 1, <<: &y {b: 1}, b: 2}\nc: *x\n"
    assert load_config_file(write(tmp_path / "a.yaml", text)).document["c"] == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-13-45", "2026-13-45"),
        ("2026-01-01", "2026-01-01"),
        ("0123", "0123"),
        ("0o17", 15),
        ("0x1F", 31),
        ("-7", -7),
        ("True", True),
        ("~", None),
        ("", None),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.e3", 1000.0),
        ("1_000", "1_000"),
        ("=", "="),
        ("'5'", "5"),
    ],
)
def test_yaml_is_read_as_the_server_reads_it(tmp_path: Path, text: str, value: object) -> None:
    found = load_config_file(write(tmp_path / "a.yaml", f"a: {text}\n")).document["a"]
    assert found == value
    assert type(found) is type(value)


def test_not_utf8(tmp_path: Path) -> None:
    for name in ("a.yaml", "a.json", "a.toml"):
        for content in (b"a: \xff\xfe", "a: 1".encode("utf-16"), b"\x7fELF\xff"):
            with pytest.raises(ConfigError):
                load_config_file(write(tmp_path / name, content))


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config_file(tmp_path / "gone.yaml")
    assert caught.value.__context__ is None
    with pytest.raises(ConfigError):
        load_config_file(tmp_path)


def test_forbidden(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", "")
    path.chmod(0)
    load = """
from pathlib import Path
from moltnet_core.config import load_config_file
from moltnet_core.errors import ConfigError
try:
    load_config_file(Path(sys.argv[1]))
except ConfigError as error:
    print("refused", error.source)
"""
    ran = run_unprivileged(load, str(path), cwd=tmp_path)
    assert ran.stdout == f"refused {path}\n", ran.stderr


@pytest.mark.parametrize(("mode", "others"), [(0o600, False), (0o640, True), (0o604, True), (0o700, False)])
def test_who_may_read_it(tmp_path: Path, mode: int, others: bool) -> None:
    path = write(tmp_path / "a.yaml", "a: 1")
    path.chmod(mode)
    assert load_config_file(path).readable_by_others is others


def test_its_content_is_in_no_repr(tmp_path: Path) -> None:
    assert "hunter2" not in repr(load_config_file(write(tmp_path / "a.yaml", "a: hunter2")))
