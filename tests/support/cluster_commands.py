"""Running the command `palm` in this process, so that it can be interrupted at every request."""

from support.short_stack import on_a_short_stack
from typer.testing import CliRunner, Result

from palm.cli.main import app


def palm(*arguments, code: int = 0, environment: dict | None = None) -> Result:
    words = [str(argument) for argument in arguments]
    result = on_a_short_stack(lambda: CliRunner().invoke(app, words, env=environment))
    assert result.exit_code == code, result.output
    return result
