"""Running the command `palm` in this process, so that it can be interrupted at every request."""

from concurrent.futures import ThreadPoolExecutor

from typer.testing import CliRunner, Result

from palm.cli import app


def palm(*arguments, code: int = 0, environment: dict | None = None) -> Result:
    """Run the command; it must end with a code."""
    words = [str(argument) for argument in arguments]
    result = on_a_short_stack(lambda: CliRunner().invoke(app, words, env=environment))
    assert result.exit_code == code, result.output
    return result


def on_a_short_stack(function):
    """Call a function in a thread: kfp looks at the whole stack for every task that it compiles, and looking at the
    frames of pytest's workers, which have no source, takes five times as long as compiling."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function).result()
