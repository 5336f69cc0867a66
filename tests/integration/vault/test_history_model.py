"""The past of a vault against a model of plain dictionaries, by random steps."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
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
from memporium_platform.errors import Reason
from memporium_services.vault.app import as_of
from support.exploring import examples
from support.past import held_in, rewrite, text_of
from support.time_model import ARCHIVED, GENERATED, LIVE, MERGED, TimeModel
from support.vaults import cell, reason, search, vault_place

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from support.vaults import VaultPlace


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
            revision = self.run(rewrite(self.place, self.name(cube_id), text))
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
            self.compare(self.run(held_in(self.place, self.vault, read_revision=revision)), self.model.at(revision))

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
        held, then = self.run(held_in(self.place, branch)), self.model.at(revision)
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
        held, then = self.run(held_in(self.place, name)), self.model.at(self.begun.branch_revision)
        assert {one: text_of(cube) for one, cube in held.items()} == {one: cube.text for one, cube in then.items()}
        hits = self.run(search(self.place.stub, name, "which note says it", limit=1000)).hits
        alive = {cube.text for cube in then.values() if cube.state in LIVE}
        assert {hit.unit.text for hit in hits} == alive
        self.run(_awaited(self.place.stub.DeleteVault(api.DeleteVaultRequest(name=name, erase=True))))
        self.begun = None

    @invariant()
    def now_is_now(self) -> None:
        if hasattr(self, "vault"):
            self.compare(self.run(held_in(self.place, self.vault)), self.model.now)

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
