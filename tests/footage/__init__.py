"""Films that the tests draw, cameras that they play and clocks that they own."""
