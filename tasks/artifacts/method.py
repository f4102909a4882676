"""A method: a class that is built from one block of params.yaml.

``class IQL(ImplicitQ[IQLParams])`` says which parameters a method takes. Their
dataclass is then ``IQL.Parameters``, with which ``build`` and the check of a study
parse the block, and each instance has its own, typed, as ``self.params``.
"""

from typing import Any, ClassVar, Generic, TypeVar, get_args

from tasks.artifacts.params import Params

P = TypeVar("P", bound=Params)


class Method(Generic[P]):
    """The base of everything a block of params.yaml can name in ``_target_``.

    Args:
        params: Its parameters, checked.

    Attributes:
        Parameters: The dataclass of ``params``, taken from the square brackets of the
            nearest base that names one. A base with a type variable there has none.
    """

    Parameters: ClassVar[type[Params]]
    params: P

    def __init__(self, params: P) -> None:
        self.params = params

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Set ``Parameters`` to the dataclass in the square brackets of a base."""
        super().__init_subclass__(**kwargs)
        for base in cls.__dict__.get("__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(argument, type) and issubclass(argument, Params):
                    cls.Parameters = argument
