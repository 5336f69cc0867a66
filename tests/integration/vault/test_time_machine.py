"""Reading the past, going back to it, and branching off from it; against a model of plain dictionaries, too."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from memporium.cube.v1.cube_pb2 import Cube
from memporium.vault.v1 import vault_service_pb2 as api
from memporium.vault.v1.cubes_pb2 import CubeFilter
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import Reason
from memporium_services.vault.app import as_of
from support.exploring import examples
from support.time_model import ARCHIVED, GENERATED, LIVE, MERGED, TimeModel
from support.vaults import cell, reason, search, vault_place

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from support.vaults import VaultPlace

ALL = CubeFilter(states=[1, 2, 3, 4, 5])


def text_of(cube: Cube) -> str:
    return cube.payload.plaintext.mem_cell.facts[0].text


async def _held(place: VaultPlace, vault: str, **when: Any) -> dict[str, Cube]:
    """Return the cubes of a vault by id, page by page."""
    found: dict[str, Cube] = {}
    request = api.ListCubesRequest(parent=vault, view=2, filter=ALL, page_size=2, **when)
    while True:
        page = await place.stub.ListCubes(request)
        found |= {cube.name.rpartition("/")[2]: cube for cube in page.cubes}
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def _rewrite(place: VaultPlace, name: str, text: str, **told: Any) -> int:
    changed = cell(text, **told)
    changed.name = name
    mask = FieldMask(paths=["payload", *(f"descriptive.{field}" for field in told)])
    return (await place.stub.UpdateCube(api.UpdateCubeRequest(cube=changed, update_mask=mask))).revision


async def test_the_list_is_that_of_an_earlier_revision_or_time(place: VaultPlace) -> None:
    vault = await place.vault()
    first = await place.create(vault, cell("tea at noon", tags=["drink"]), cube_id="a")
    moment = first.cube.descriptive.create_time
    await asyncio.sleep(0.01)
    await place.create(vault, cell("bread at dawn"), cube_id="b")
    await _rewrite(place, first.cube.name, "coffee at noon", tags=["other"])
    archived = await place.stub.ArchiveCube(api.ArchiveCubeRequest(name=first.cube.name))
    await place.stub.FreezeCube(api.FreezeCubeRequest(name=f"{vault}/cubes/b"))

    for when in ({"read_revision": first.revision}, {"read_time": moment}):
        then = await _held(place, vault, **when)
        assert {cube_id: text_of(cube) for cube_id, cube in then.items()} == {"a": "tea at noon"}
        assert list(then["a"].descriptive.tags) == ["drink"]
        assert (then["a"].governance.state, then["a"].behavioural.version) == (1, 1)
        got = (await place.stub.GetCube(api.GetCubeRequest(name=first.cube.name, **when))).cube
        for cube in (got, then["a"]):
            # How much it was used is of now.
            cube.behavioural.Clear()
        assert got == then["a"]
    later = await _held(place, vault, read_revision=archived.revision)
    assert (later["a"].governance.state, text_of(later["a"])) == (ARCHIVED, "coffee at noon")
    assert not later["b"].governance.frozen
    assert (await _held(place, vault))["b"].governance.frozen

    past = api.ListCubesRequest(parent=vault, read_revision=first.revision, filter=CubeFilter(tags_all=["drink"]))
    assert [cube.name for cube in (await place.stub.ListCubes(past)).cubes] == [first.cube.name]
    past.filter.tags_all[:] = ["other"]
    assert not (await place.stub.ListCubes(past)).cubes
    for wrong in (
        {"read_revision": 99},
        {"read_revision": -1},
        {"read_revision": 1, "read_time": moment},
        {"read_revision": 1, "order": 2},
    ):
        assert await reason(place.stub.ListCubes(api.ListCubesRequest(parent=vault, **wrong))) is Reason.INVALID_FIELD


async def test_the_past_shows_nobody_the_private_cubes_of_others(place: VaultPlace) -> None:
    vault = await place.vault()
    secret = cell("mine alone")
    secret.governance.access_scope = 1
    made = await place.create(vault, secret, cube_id="secret")
    ann = await place.as_principal("ann")
    asked = api.ListCubesRequest(parent=vault, read_revision=made.revision)
    assert len((await place.stub.ListCubes(asked)).cubes) == 1
    assert not (await ann.ListCubes(asked)).cubes
    # What is shared now was private then.
    shared = Cube(name=made.cube.name)
    shared.governance.access_scope = 2
    mask = FieldMask(paths=["governance.access_scope"])
    await place.stub.UpdateCube(api.UpdateCubeRequest(cube=shared, update_mask=mask))
    assert not (await ann.ListCubes(asked)).cubes
    branch = api.CreateVaultRequest(
        parent=place.org.name, vault_id="hers", branch_of=vault, branch_revision=made.revision
    )
    assert (await ann.CreateVault(branch)).vault.usage.cubes == 0


async def test_a_branch_goes_its_own_way(place: VaultPlace) -> None:
    vault = await place.vault()
    first = await place.create(vault, cell("the meeting is on monday"), cube_id="meeting")
    second = await place.create(vault, cell("the cat is grey"), cube_id="cat")
    await _rewrite(place, first.cube.name, "the meeting is on friday")
    late = await place.create(vault, cell("the dog is brown"), cube_id="dog")
    await place.stub.FreezeCube(api.FreezeCubeRequest(name=second.cube.name))
    frozen = (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault.revision
    before = (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault

    request = api.CreateVaultRequest(
        parent=place.org.name, vault_id="what-if", branch_of=vault, branch_revision=second.revision, request_id="one"
    )
    branch = (await place.stub.CreateVault(request)).vault
    assert (branch.branch_of, branch.branch_revision, branch.usage.cubes) == (vault, second.revision, 2)
    assert (await place.stub.CreateVault(request)).vault.uid == branch.uid
    held = await _held(place, branch.name)
    assert {cube_id: text_of(cube) for cube_id, cube in held.items()} == {
        "meeting": "the meeting is on monday",
        "cat": "the cat is grey",
    }
    assert held["cat"].governance.owner == place.org.owner
    hits = (await search(place.stub, branch.name, "when is the meeting")).hits
    assert hits[0].unit.text == "the meeting is on monday"

    await _rewrite(place, f"{branch.name}/cubes/cat", "the cat is black")
    await place.stub.ForgetCubes(api.ForgetCubesRequest(parent=branch.name, names=[f"{branch.name}/cubes/meeting"]))
    await place.create(branch.name, cell("only here"))
    after = (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault
    assert after == before
    assert text_of((await _held(place, vault))["cat"]) == "the cat is grey"
    assert len((await place.stub.ListCubeVersions(api.ListCubeVersionsRequest(name=second.cube.name))).versions) == 2
    assert not [hit for hit in (await search(place.stub, vault, "only here")).hits if hit.unit.text == "only here"]

    later = api.CreateVaultRequest(parent=place.org.name, vault_id="later", branch_of=vault, branch_revision=frozen)
    later_name = (await place.stub.CreateVault(later)).vault.name
    assert not (await _held(place, later_name))["cat"].governance.frozen
    await place.stub.DeleteVault(api.DeleteVaultRequest(name=later_name, erase=True))

    refused = api.DeleteVaultRequest(name=vault, erase=True)
    assert await reason(place.stub.DeleteVault(refused)) is Reason.FAILED_PRECONDITION
    await place.stub.DeleteVault(api.DeleteVaultRequest(name=branch.name, erase=True))
    assert (await place.stub.GetVault(api.GetVaultRequest(name=vault))).vault == before
    assert late.cube.name in {cube.name for cube in (await _held(place, vault)).values()}


async def test_what_is_forgotten_goes_from_branches_too(place: VaultPlace) -> None:
    vault = await place.vault()
    names = [(await place.create(vault, cell(text), cube_id=text)).cube.name for text in ("one", "two")]
    branches = []
    for number, of in enumerate((vault, f"{place.org.name}/vaults/b0")):
        request = api.CreateVaultRequest(parent=place.org.name, vault_id=f"b{number}", branch_of=of)
        branches.append((await place.stub.CreateVault(request)).vault.name)
    both = [f"{branches[1]}/cubes/{cube_id}" for cube_id in ("one", "two")]
    merged = (await place.stub.MergeCubes(api.MergeCubesRequest(parent=branches[1], names=both))).cube
    merged.governance.legal_hold = True
    merged.etag = ""
    hold = api.UpdateCubeRequest(cube=merged, update_mask=FieldMask(paths=["governance.legal_hold"]))
    await place.stub.UpdateCube(hold)
    forget = api.ForgetCubesRequest(parent=vault, names=names[:1], request_id="forget")
    assert await reason(place.stub.ForgetCubes(forget)) is Reason.LEGAL_HOLD
    assert [len(await _held(place, name)) for name in (vault, *branches)] == [2, 2, 3]
    hold.cube.governance.legal_hold = False
    await place.stub.UpdateCube(hold)
    done = await place.stub.ForgetCubes(forget)
    assert [(one.vault, one.cubes) for one in done.branch_receipts] == [(branches[0], 1), (branches[1], 2)]
    assert [[*await _held(place, name)] for name in (vault, *branches)] == [["two"]] * 3
    assert await place.stub.ForgetCubes(forget) == done


async def test_a_branch_needs_leave_to_read_and_a_moment_of_the_vault(place: VaultPlace) -> None:
    vault = await place.vault()
    made = await place.create(vault, cell("x"))
    base = {"parent": place.org.name, "vault_id": "b"}
    for wrong in (
        {"branch_of": vault, "branch_revision": made.revision + 1},
        {"branch_of": vault, "branch_revision": 1, "branch_time": made.cube.descriptive.create_time},
        {"branch_revision": 1},
    ):
        assert await reason(place.stub.CreateVault(api.CreateVaultRequest(**base, **wrong))) is Reason.INVALID_FIELD
    other = await place.platform.organisation("other")
    stranger = VaultServiceStub(place.platform.channel(other.owner_key))
    foreign = api.CreateVaultRequest(parent=other.name, vault_id="b", branch_of=vault)
    assert await reason(stranger.CreateVault(foreign)) is Reason.PERMISSION_DENIED
    claimed = api.CreateVaultRequest(**base, vault={"branch_of": vault, "branch_revision": 1})
    assert not (await place.stub.CreateVault(claimed)).vault.branch_of


class Times(RuleBasedStateMachine):
    """A vault and the model, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.model = TimeModel()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.counter = 0
        self.begun: api.CreateVaultRequest | None = None

    def run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(doing)

    @initialize()
    def start(self) -> None:
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))  # type: ignore[arg-type]
        self.place: VaultPlace = self.run(self.stack.enter_async_context(vault_place(folder / "data")))
        self.vault = self.run(self.place.vault())

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()

    def pick(self, data: st.DataObject, *, may_change: bool = True) -> str:
        choice = [one for one in sorted(self.model.now) if not may_change or self.model.may_change(one)]
        return data.draw(st.sampled_from(choice)) if choice else ""

    def done(self, response: Any) -> None:
        self.model.mark(response.revision)

    def name(self, cube_id: str) -> str:
        return f"{self.vault}/cubes/{cube_id}"

    def new_text(self) -> str:
        self.counter += 1
        return f"note number {self.counter} says {'abcdefgh'[self.counter % 8] * 5}"

    @rule()
    def create(self) -> None:
        text = self.new_text()
        cube_id = f"c{self.counter}"
        self.done(self.run(self.place.create(self.vault, cell(text), cube_id=cube_id)))
        self.model.make(cube_id, text)
        self.model.mark(max(self.model.past))

    @rule(data=st.data())
    @precondition(lambda self: self.model.now)
    def update(self, data: st.DataObject) -> None:
        if cube_id := self.pick(data):
            text = self.new_text()
            revision = self.run(_rewrite(self.place, self.name(cube_id), text))
            self.model.change(cube_id, text=text)
            self.model.mark(revision)

    @rule(data=st.data(), verb=st.sampled_from(["Archive", "Activate", "Freeze", "Unfreeze"]))
    @precondition(lambda self: self.model.now)
    def move(self, data: st.DataObject, verb: str) -> None:
        cube_id = self.pick(data, may_change=False)
        cube = self.model.now[cube_id]
        if verb == "Activate" and cube.state == GENERATED:
            return  # It may have been activated by reading, without a version.
        legal = {
            "Archive": cube.state in LIVE and not cube.frozen,
            "Activate": cube.state != 2 and not cube.frozen,
            "Freeze": not cube.frozen,
            "Unfreeze": cube.frozen,
        }[verb]
        call = getattr(self.place.stub, f"{verb}Cube")(getattr(api, f"{verb}CubeRequest")(name=self.name(cube_id)))
        if not legal:
            assert self.run(reason(call)) in {Reason.ILLEGAL_TRANSITION, Reason.CUBE_FROZEN}
            return
        fields = {"Archive": {"state": ARCHIVED}, "Activate": {"state": 2}}.get(verb, {"frozen": verb == "Freeze"})
        response = self.run(_awaited(call))
        self.model.change(cube_id, **fields)
        self.done(response)

    @rule(data=st.data())
    @precondition(lambda self: self.model.now)
    def rollback(self, data: st.DataObject) -> None:
        if cube_id := self.pick(data):
            version = data.draw(st.sampled_from(sorted(self.model.texts[cube_id])))
            request = api.RollbackCubeRequest(name=self.name(cube_id), version=version)
            response = self.run(_awaited(self.place.stub.RollbackCube(request)))
            self.model.change(cube_id, text=self.model.texts[cube_id][version])
            self.done(response)

    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        choice = [one for one in sorted(self.model.now) if not self.model.now[one].frozen]
        if len(choice) < 2:
            return
        parents = data.draw(st.lists(st.sampled_from(choice), min_size=2, max_size=3, unique=True))
        text = self.new_text()
        cube_id = f"c{self.counter}"
        request = api.MergeCubesRequest(
            parent=self.vault, names=[self.name(one) for one in parents], cube_id=cube_id, cube=cell(text)
        )
        response = self.run(_awaited(self.place.stub.MergeCubes(request)))
        for one in parents:
            self.model.change(one, state=ARCHIVED)
        self.model.make(cube_id, text, state=MERGED, of=tuple(parents))
        self.done(response)

    @rule(data=st.data())
    @precondition(lambda self: self.model.now)
    def forget(self, data: st.DataObject) -> None:
        cube_id = self.pick(data, may_change=False)
        trial = TimeModel(dict(self.model.now), {}, {one: {} for one in self.model.now})
        gone = trial.forget(cube_id)
        call = self.place.stub.ForgetCubes(api.ForgetCubesRequest(parent=self.vault, names=[self.name(cube_id)]))
        if any(self.model.now[one].frozen for one in gone):
            assert self.run(reason(call)) is Reason.CUBE_FROZEN
            return
        response = self.run(_awaited(call))
        assert response.receipt.cubes == len(self.model.forget(cube_id))
        self.done(response)

    @rule(data=st.data())
    def read_the_past(self, data: st.DataObject) -> None:
        revision = data.draw(st.integers(1, max(self.model.past))) if max(self.model.past) else 0
        if revision:
            self.compare(self.run(_held(self.place, self.vault, read_revision=revision)), self.model.at(revision))

    @rule(data=st.data(), mode=st.sampled_from([1, 2, 3, 4]))
    @precondition(lambda self: max(self.model.past) > 1)
    def search_the_past(self, data: st.DataObject, mode: int) -> None:
        revision = data.draw(st.integers(1, max(self.model.past)))
        asked = {"mode": mode, "limit": 1000, "read_revision": revision, "view": 2}
        found = self.run(search(self.place.stub, self.vault, "which note says it", **asked))
        # By the filter alone, archived cubes are found, too.
        then = {one: cube for one, cube in self.model.at(revision).items() if mode == 1 or cube.state in LIVE}
        self.compare({hit.cube.name.rpartition("/")[2]: hit.cube for hit in found.hits}, then)
        assert len(found.hits) == len(then)
        assert all(hit.unit.text in {"", then[hit.cube.name.rpartition("/")[2]].text} for hit in found.hits)

    @rule(data=st.data())
    @precondition(lambda self: max(self.model.past) > 2)
    def branch(self, data: st.DataObject) -> None:
        revision = data.draw(st.integers(1, max(self.model.past)))
        self.counter += 1
        request = api.CreateVaultRequest(
            parent=self.place.org.name, vault_id=f"b{self.counter}", branch_of=self.vault, branch_revision=revision
        )
        branch = self.run(_awaited(self.place.stub.CreateVault(request))).vault.name
        held, then = self.run(_held(self.place, branch)), self.model.at(revision)
        assert {one: text_of(cube) for one, cube in held.items()} == {one: cube.text for one, cube in then.items()}
        word = "abcdefgh"[revision % 8] * 5
        scores = [
            {hit.unit.text: hit.score for hit in self.run(search(self.place.stub, where, f"says {word}", **asked)).hits}
            for where, asked in ((branch, {"limit": 1000}), (self.vault, {"limit": 1000, "read_revision": revision}))
        ]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)
        self.run(_awaited(self.place.stub.DeleteVault(api.DeleteVaultRequest(name=branch, erase=True))))

    @rule(data=st.data())
    @precondition(lambda self: max(self.model.past) > 2 and not self.begun)
    def begin_a_branch(self, data: st.DataObject) -> None:
        revision = data.draw(st.integers(1, max(self.model.past)))
        self.counter += 1
        request = api.CreateVaultRequest(
            parent=self.place.org.name, vault_id=f"b{self.counter}", branch_of=self.vault, branch_revision=revision
        )
        request.branch_wait.FromSeconds(0)
        self.begun = request
        self.go_on()

    @rule()
    @precondition(lambda self: self.begun)
    def go_on(self) -> None:
        """Copy another page; what was forgotten since the first is not in it, and nothing else has changed."""
        assert self.begun is not None
        name = f"{self.place.org.name}/vaults/{self.begun.vault_id}"
        answer = self.run(_awaited(self.place.stub.CreateVault(self.begun)))
        if not answer.HasField("vault"):
            assert self.run(reason(self.place.stub.GetVault(api.GetVaultRequest(name=name)))) is Reason.NOT_FOUND
            return
        held, then = self.run(_held(self.place, name)), self.model.at(self.begun.branch_revision)
        assert {one: text_of(cube) for one, cube in held.items()} == {one: cube.text for one, cube in then.items()}
        hits = self.run(search(self.place.stub, name, "which note says it", limit=1000)).hits
        alive = {cube.text for cube in then.values() if cube.state in LIVE}
        assert {hit.unit.text for hit in hits} == alive
        self.run(_awaited(self.place.stub.DeleteVault(api.DeleteVaultRequest(name=name, erase=True))))
        self.begun = None

    @invariant()
    def now_is_now(self) -> None:
        if hasattr(self, "vault"):
            self.compare(self.run(_held(self.place, self.vault)), self.model.now)

    def compare(self, held: dict[str, Cube], then: dict[str, Any]) -> None:
        seen = {one: (text_of(cube), cube.behavioural.version, cube.governance.frozen) for one, cube in held.items()}
        assert seen == {one: (cube.text, cube.version, cube.frozen) for one, cube in then.items()}
        for one, cube in then.items():
            # Reading, which tests do, activates what was generated.
            assert held[one].governance.state in ({1, 2} if cube.state in {1, 2} else {cube.state}), one


async def _awaited(call: Any) -> Any:
    return await call


@pytest.mark.slow
@pytest.mark.hypothesis
def test_history_is_as_the_model_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMPORIUM_VAULT_USE_FLUSH_S", "3600")
    monkeypatch.setattr(as_of, "_PAGE", 2)
    run_state_machine_as_test(
        Times,
        settings=settings(
            max_examples=examples(12),
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # Shrinking starts a platform a trial.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
        ),
    )
