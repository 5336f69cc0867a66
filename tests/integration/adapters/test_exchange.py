"""Importing from and exporting to other systems, over a running platform."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from memporium.client import MemporiumError
from memporium.memory import Memory
from memporium.sources import exporting, formats, importing
from memporium.sources.exporting import Exporting
from memporium.sources.importing import Importing
from memporium.sources.items import Problem
from memporium.sources.json_stream import JsonError

TALK = {
    "id": "c1",
    "title": "Clay",
    "create_time": 1_700_000_000,
    "current_node": "n2",
    "mapping": {
        "n1": {"parent": None, "message": {"author": {"role": "user"}, "create_time": 1_700_000_000, "content": {"parts": ["My kiln (the small one) fires at 1240 degrees."]}}},
        "n2": {"parent": "n1", "message": {"author": {"role": "assistant"}, "create_time": 1_700_000_009, "content": {"parts": ["That is cone six. " + "x" * 40_000]}}},
    },
}  # fmt: skip
ROWS = [
    {"id": "1", "text": "Ada's e-mail is ada@example.org (private).", "title": "Contact of ada@example.org", "tags": ["People"], "time": "2024-05-06T07:08:09Z", "role": "user", "metadata": {"topic": "A", "who": ["ada@example.org"]}},
    {"id": "2", "text": "The glaze is cobalt blue. " * 60, "title": "Glaze"},
    {"id": "3", "text": "Third."},
]  # fmt: skip


@pytest.fixture
def client(here):
    with here.client() as found:
        yield found


@pytest.fixture
def vault(client, request):
    name = f"x{abs(hash(request.node.name)) % 10**9}"
    yield client.vault.create_vault(parent="orgs/acme", vault_id=name).vault.name
    client.vault.delete_vault(name=f"orgs/acme/vaults/{name}", erase=True)


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def cubes(client, vault):
    return client.vault.list_cubes(parent=vault, page_size=1_000).cubes


def files_in(folder):
    """Return the files of a folder with what they hold."""
    return {str(one.relative_to(folder)): one.read_text() for one in sorted(folder.rglob("*")) if one.is_file()}


def sources_in(folder):
    """Make one source of each format."""
    (folder / "notes" / "deep").mkdir(parents=True)
    (folder / "notes" / "a.md").write_text("# Kiln\n\nFire it slowly.\n\n# Glaze\n\nCobalt.")
    (folder / "notes" / "deep" / "b.txt").write_text("Plain.")
    cube = folder / "cube"
    cube.mkdir()
    (cube / "config.json").write_text("{}")
    (cube / "textual_memory.json").write_text(
        json.dumps([{"id": "a", "memory": "Ada loves pottery.", "metadata": {"key": "Hobby"}}])
    )
    (folder / "mem0.json").write_text(json.dumps({"results": [{"id": "m", "memory": "Loves tea", "user_id": "ada"}]}))
    (folder / "conversations.json").write_text(json.dumps([TALK]))
    return {
        "markdown": folder / "notes", "memos": cube, "mem0": folder / "mem0.json",
        "chatgpt": folder / "conversations.json", "jsonl": lines(folder / "x.jsonl", ROWS),
    }  # fmt: skip


@pytest.mark.parametrize("name", formats.FORMATS)
def test_an_import_is_told_in_advance_found_by_recall_and_adds_nothing_when_repeated(client, vault, tmp_path, name):
    path = sources_in(tmp_path)[name]
    seen = []
    dry = Importing(client, vault, dry_run=True).run(formats.read(path, name))
    assert not cubes(client, vault)
    first = Importing(client, vault, tags=["Moved"], progress=lambda now: seen.append(now.new)).run(
        formats.read(path, name)
    )
    assert first.new == len(cubes(client, vault)) > 0
    assert (dry.memories, dry.chats, dry.pages, dry.known) == (first.memories, first.chats, first.pages, 0)
    assert seen[-1] == first.new
    assert all("moved" in cube.descriptive.tags for cube in cubes(client, vault))
    before = [(cube.name, cube.etag) for cube in cubes(client, vault)]
    again = Importing(client, vault, tags=["Moved"]).run(formats.read(path))
    assert (again.new, again.problem_count) == (0, 0)
    assert again.known > 0
    assert [(cube.name, cube.etag) for cube in cubes(client, vault)] == before
    assert Importing(client, vault, dry_run=True).run(formats.read(path)).new == 0
    asked = {"markdown": "kiln", "memos": "pottery", "mem0": "tea", "chatgpt": "kiln", "jsonl": "cobalt glaze"}[name]
    assert asked.split()[0] in client.reader.recall(parent=vault, query=asked).items[0].text.lower()


def test_an_import_goes_on_where_it_was_interrupted(client, vault, tmp_path):
    rows = [{"id": str(number), "text": f"Fact number {number} of a long list."} for number in range(200)]
    path = lines(tmp_path / "x.jsonl", rows)

    class StoppedError(Exception):
        pass

    def stop(now):
        if now.new >= 64:
            raise StoppedError

    with pytest.raises(StoppedError):
        Importing(client, vault, progress=stop).run(formats.read(path))
    assert 64 <= len(cubes(client, vault)) < 200
    report = Importing(client, vault).run(formats.read(path))
    assert report.new + report.known == len(cubes(client, vault)) == 200


def test_what_is_broken_in_the_middle_leaves_what_came_before(client, vault, tmp_path):
    path = tmp_path / "export.json"
    path.write_text('[{"id": "1", "memory": "good"}, {"id": "2", "memory": "also good"}, {"id": ')
    with pytest.raises(JsonError):
        Importing(client, vault).run(formats.read(path))
    assert len(cubes(client, vault)) == 2


def test_a_memory_that_the_vault_refuses_does_not_take_others_with_it(client, vault, tmp_path):
    rows = [
        *ROWS,
        {"id": "4", "text": "Much metadata.", "metadata": {"x": "y" * 5_000}},
        {"id": "5", "text": "A long story of clay. " * 15_000},
    ]
    report = Importing(client, vault).run(formats.read(lines(tmp_path / "x.jsonl", rows)))
    assert report.new == len(cubes(client, vault)) >= 4
    assert [problem.place for problem in report.problems] == ["jsonl 4"]


@pytest.mark.parametrize("name", ["jsonl", "mem0", "memos", "markdown"])
def test_what_is_exported_is_imported_elsewhere_as_it_was(client, vault, tmp_path, name):
    Importing(client, vault).run(formats.read(lines(tmp_path / "in.jsonl", ROWS)))
    path = tmp_path / "out"
    report = Exporting(client, vault).run(path, name)
    assert (report.cubes, report.problem_count) == (3, 0)
    other = client.vault.create_vault(parent="orgs/acme", vault_id=vault.rsplit("/", 1)[1] + "-b").vault.name
    try:
        done = Importing(client, other).run(formats.read(path, name))
        assert done.problem_count == 0
        second = tmp_path / "again"
        Exporting(client, other).run(second, "jsonl")
        found = [json.loads(line) for line in second.read_text().splitlines()]
        assert len(found) == len(ROWS)
        assert all(any(row["text"][:60] in one["text"] for one in found) for row in ROWS)
        if name != "markdown":
            assert {one["text"] for one in found} == {row["text"] for row in ROWS}
            ada = next(row for row in found if row["text"].startswith("Ada"))
            assert (ada["time"], ada["tags"], ada["metadata"]["topic"]) == ("2024-05-06T07:08:09Z", ["people"], "A")
            assert ada["role"] == "user"
    finally:
        client.vault.delete_vault(name=other, erase=True)


def test_what_the_facade_remembers_is_exported_as_mem0_has_it(here, client, tmp_path):
    with Memory(here.address, api_key=here.key, prefix="leave") as memory:
        added = memory.add("I love pottery", user_id="Ada L", run_id="r1", metadata={"topic": "Clay", "n": [1]})[
            "results"
        ]
        vault = f"orgs/acme/vaults/{added[0]['id'].split('/')[0]}"
        report = Exporting(client, vault).run(tmp_path / "out.json", "mem0")
    assert report.cubes == 1
    (row,) = json.loads((tmp_path / "out.json").read_text())["results"]
    assert (row["memory"], row["user_id"], row["run_id"]) == ("I love pottery", "Ada L", "r1")
    assert row["metadata"] == {"topic": "Clay", "n": [1]}
    assert "categories" not in row
    (again,) = list(formats.read(tmp_path / "out.json", "mem0"))
    assert (again.text, again.metadata["topic"], again.role) == ("I love pottery", "Clay", "user")


def test_dialogue_is_exported_as_conversations(client, vault, tmp_path):
    Importing(client, vault).run(formats.read(sources_in(tmp_path)["chatgpt"]))
    Importing(client, vault).run(formats.read(lines(tmp_path / "in.jsonl", ROWS[2:])))
    report = Exporting(client, vault).run(tmp_path / "out.json", "chatgpt")
    assert report.problem_count == 1
    assert report.problems[0].why == "is no dialogue"
    (chat,) = list(formats.read(tmp_path / "out.json", "chatgpt"))
    assert (chat.id, chat.title) == ("c1", "Clay")
    assert chat.messages[0].text == "My kiln (the small one) fires at 1240 degrees."
    assert chat.messages[0].role == "user"
    assert sum(len(message.text) for message in chat.messages[1:]) > 40_000


@pytest.mark.parametrize("name", ["jsonl", "mem0", "memos", "markdown"])
def test_personal_data_are_redacted_wherever_they_stand(client, vault, tmp_path, name):
    Importing(client, vault).run(formats.read(lines(tmp_path / "in.jsonl", ROWS)))
    path = tmp_path / "out"
    report = Exporting(client, vault, redact="replace").run(path, name)
    text = "\n".join(files_in(path).values()) if path.is_dir() else path.read_text()
    names = " ".join(files_in(path)) if path.is_dir() else ""
    assert "ada@example.org" not in text + names
    assert "ada-example" not in names
    assert "<EMAIL_ADDRESS>" in text
    assert report.findings["EMAIL_ADDRESS"] >= 2


def test_where_redacting_fails_nothing_is_written(client, vault, tmp_path):
    Importing(client, vault).run(formats.read(lines(tmp_path / "in.jsonl", ROWS)))
    for name in formats.FORMATS:
        with pytest.raises(MemporiumError):
            Exporting(client, vault, redact="replace", kinds=["NO_SUCH_KIND"]).run(tmp_path / "out", name)
        assert [one.name for one in tmp_path.iterdir()] == ["in.jsonl"]


def test_an_export_takes_no_other_file_s_place_and_leaves_nothing_half_done(client, vault, tmp_path):
    Importing(client, vault).run(formats.read(lines(tmp_path / "in.jsonl", ROWS)))
    taken = tmp_path / "taken"
    taken.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        Exporting(client, vault).run(taken, "jsonl")
    dry = Exporting(client, vault, dry_run=True).run(tmp_path / "dry", "memos")
    assert (dry.cubes, (tmp_path / "dry").exists()) == (3, False)
    path = tmp_path / "private.jsonl"
    Exporting(client, vault).run(path, "jsonl")
    assert path.stat().st_mode & 0o077 == 0


def test_the_command_line_imports_and_exports(here, vault, tmp_path):
    def run(*arguments):
        kept = {key: value for key, value in os.environ.items() if not key.startswith("MEMPORIUM_")}
        environment = {**kept, "MEMPORIUM_ADDRESS": here.address, "MEMPORIUM_API_KEY": here.key, "COLUMNS": "100"}
        command = [sys.executable, "-m", "memporium", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)

    path = lines(tmp_path / "in.jsonl", [*ROWS, {"no": "text\x1b[31m"}])
    dry = run("import", vault, path, "--dry-run")
    assert "would be imported 3 memories: 3 new, 0 known" in dry.stdout
    done = run("import", vault, path, "--tag", "moved")
    assert "imported 3 memories: 3 new, 0 known" in done.stdout
    assert "left out in.jsonl:4: has no text under `text`" in done.stdout
    assert "imported 3 memories: 0 new, 3 known" in run("import", vault, path).stdout
    out = run("export", vault, tmp_path / "out.jsonl", "--redact", "mask", "--kind", "EMAIL_ADDRESS")
    assert "exported 3 memories" in out.stdout
    assert "redacted" in out.stdout
    again = run("export", vault, tmp_path / "out.jsonl")
    assert (again.returncode, "Traceback" in again.stderr) == (2, False)
    wrong = run("import", vault, tmp_path / "in.jsonl", "--format", "pdf")
    assert (wrong.returncode, "must be one of" in wrong.stderr) == (2, True)
    told = json.loads(run("import", vault, path, "--json").stdout)
    assert (told["known"], told["problem_count"]) == (3, 1)


def test_reports_hold_a_thousand_problems_and_count_all(tmp_path):
    for report in (importing.Report(), exporting.Report()):
        for number in range(1_500):
            report.add(Problem(str(number), "x"))
        assert (len(report.problems), report.problem_count) == (1_000, 1_500)
