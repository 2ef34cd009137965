"""Compiling without pytest's frames in the way."""

from concurrent.futures import ThreadPoolExecutor


def on_a_short_stack(function, *arguments):
    """Call a function in a thread: kfp looks at the whole stack for every task that it compiles, and looking at the
    frames of pytest's workers, which have no source, takes five times as long as compiling."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function, *arguments).result()
