"""The command line of restow: parse, one call, render."""
