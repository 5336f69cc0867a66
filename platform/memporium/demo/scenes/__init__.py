"""The scenes of the story, one file each, in order of the numbers that the audience sees."""
