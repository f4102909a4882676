"""A method: a class that is built from one block of parameters.

``class IQL(ImplicitQ[IQLParams])`` says which parameters a method takes. The class
then has them as ``IQL.Parameters``, which ``build`` and the checks parse a block with,
and each instance as ``self.params``, typed.
"""

from typing import Any, ClassVar, Generic, TypeVar, get_args

from tasks.artifacts.params import Params

P = TypeVar("P", bound=Params)


class Method(Generic[P]):
    """The base of everything a block of params.yaml can name in ``_target_``.

    Args:
        params: Its parameters, checked.

    Attributes:
        Parameters: The dataclass of ``params``: the argument in square brackets of the
            nearest base that has one. A base whose argument is open has none.
    """

    Parameters: ClassVar[type[Params]]
    params: P

    def __init__(self, params: P) -> None:
        self.params = params

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take ``Parameters`` from the square brackets."""
        super().__init_subclass__(**kwargs)
        for base in cls.__dict__.get("__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(argument, type) and issubclass(argument, Params):
                    cls.Parameters = argument
