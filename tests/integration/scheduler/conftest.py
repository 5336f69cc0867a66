"""What tests of the scheduler share; a file with a place of its own takes that instead."""

from support.pipelines import place  # noqa: F401 - a fixture
