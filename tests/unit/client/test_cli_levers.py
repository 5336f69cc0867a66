"""`recall --without` names the levers that are left out."""

from __future__ import annotations

import pytest
import typer

from memporium.cli.recall import _options


def test_levers_left_out_are_off_and_others_as_the_server_has_them():
    options = _options(["spread", "covering"], scenes=True)
    assert (options.scenes, options.spread, options.covering) == (True, False, False)
    assert {field.name for field, _value in options.ListFields()} == {"scenes", "spread", "covering"}


def test_what_is_left_out_is_out_though_it_was_given():
    assert _options(["scenes"], scenes=True).scenes is False


def test_an_unknown_lever_is_refused_with_those_that_there_are():
    with pytest.raises(typer.BadParameter, match="session_evidence"):
        _options(["sprad"])
