"""The environment pages are rendered in: escaping on, one style sheet, one script."""

from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from tasks.report.cores import words


@cache
def page_environment(package: str = "tasks.report.html") -> Environment:
    """An environment for a package's templates.

    Args:
        package: Its templates come first; what it lacks (``page.css``, ``page.js``,
            ``macros.jinja``) is the report's.
    """
    packages = dict.fromkeys((package, "tasks.report.cores"))
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name, ".") for name in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["meanings"] = words.MEANINGS
    for filter_ in (
        *(words.number, words.signed, words.interval, words.short),
        *(words.kilobytes, words.ratio, words.micro, words.percent),
    ):
        environment.filters[filter_.__name__] = filter_
    return environment
