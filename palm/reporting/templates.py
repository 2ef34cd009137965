"""The templates of the pages, filled so that nothing in them is taken for HTML and nothing missing goes unnoticed."""

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from palm.reporting import numbers

_FILTERS = (
    numbers.fixed,
    numbers.percent,
    numbers.percent_up,
    numbers.percent_down,
    numbers.vector,
    numbers.duration,
    numbers.moment,
    numbers.breakable,
)


def page_template(name: str) -> Template:
    """A template of this folder; one that names an unknown value raises `jinja2.UndefinedError` when it is filled.

    Args:
        name: of its file.

    Returns:
        The template.
    """
    environment = Environment(
        loader=PackageLoader("palm.reporting", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({function.__name__: function for function in _FILTERS})
    return environment.get_template(name)
