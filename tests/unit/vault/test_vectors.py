import numpy as np
import pytest

from memporium.vault.v1.cubes_pb2 import Vector
from memporium_services.vault.app.codec import unit_vectors
from memporium_services.vault.convert import vector_of


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_vectors_of_any_size_get_unit_length(scale):
    values = np.array([3.0, 4.0], np.float32) * np.float32(scale)
    asked = vector_of(Vector(values=values))
    assert asked.dtype == np.float32
    assert asked.tolist() == pytest.approx([0.6, 0.8])
    assert unit_vectors(values[None])[0].tolist() == pytest.approx([0.6, 0.8], abs=1e-3)


def test_vectors_without_a_direction_stay_as_they_are():
    assert vector_of(Vector()) is None
    assert vector_of(Vector(values=[0.0, 0.0])).tolist() == [0.0, 0.0]
    assert np.isnan(vector_of(Vector(values=[float("nan"), 1.0]))[0])
    assert unit_vectors(np.zeros((1, 2), np.float32)).tolist() == [[0.0, 0.0]]
