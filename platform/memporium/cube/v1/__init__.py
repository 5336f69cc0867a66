"""Generated code of `memporium.cube.v1`."""
