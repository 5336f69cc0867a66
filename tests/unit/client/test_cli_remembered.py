from memporium.cli import _recollection
from memporium.cube.v1 import cube_pb2


def test_what_a_model_had_part_in_is_told_with_why_it_had_none(capsys):
    made = [
        cube_pb2.Formation(path=cube_pb2.FORMATION_PATH_MODEL, model="big", extracted_facts=3, dropped_facts=1),
        cube_pb2.Formation(path=cube_pb2.FORMATION_PATH_RULES, model="big", failure="timeout"),
        cube_pb2.Formation(path=cube_pb2.FORMATION_PATH_RULES, model="big", failure="timeout"),
        cube_pb2.Formation(path=cube_pb2.FORMATION_PATH_MODEL, model="big", extracted_facts=1, failure="max_tokens"),
    ]
    _recollection.show_formations(made)
    told = capsys.readouterr().out
    assert told.strip() == (
        "big: 2 of 4 episodes, 4 facts kept, 1 dropped; in part: 1 max_tokens; by rules alone: 2 timeout"
    )
    _recollection.show_formations([])
    assert capsys.readouterr().out == ""
