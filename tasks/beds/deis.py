"""The bed of the claim ``deis``: its ingredients one after the other, on mixtures.

DEIS (Zhang and Chen 2023, arXiv 2204.13902) and its equations stand in
``tasks/export/deis.py``; the mixtures in ``cores/mixtures.py``. Two tables: modes of
std 0.3, and narrow ones of 0.05, whose noise prediction bends late.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from tasks.beds.cores.mixtures import MixtureBed, Table
from tasks.export import Sampler
from tasks.export.ddim import DDIM
from tasks.export.deis import DEIS

LADDER = ("euler", "score_ei", "ddim", "tab1", "tab2", "tab3", "tab3_quadratic")
CALLS = (5, 7, 10, 15, 20)


class DeisBed(MixtureBed):
    """Errors of DEIS with more and more of its ingredients."""

    METHODS: ClassVar[Mapping[str, type[Sampler[Any]]]] = {"ddim": DDIM, "deis": DEIS}
    ROWS: ClassVar[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
        "ddim": ("ddim", {}),
        "ddim_quadratic": ("ddim", {"power": 2.0}),
        "euler": ("deis", {"family": "euler", "power": 1.0}),
        "score_ei": ("deis", {"family": "score_ei", "power": 1.0}),
        **{f"tab{n}": ("deis", {"order": n, "power": 1.0}) for n in (1, 2, 3)},
        "tab3_quadratic": ("deis", {"power": 2.0}),
        "tab3_log": ("deis", {"grid": "log"}),
        "tab3_rho7": ("deis", {"grid": "rho", "power": 7.0}),
        "rhoab2": ("deis", {"family": "rhoab", "order": 2}),
        "rhoab3": ("deis", {"family": "rhoab", "order": 3}),
        "rho_heun": ("deis", {"family": "rhork", "scheme": "heun"}),
        "rho_kutta3": ("deis", {"family": "rhork", "scheme": "kutta3"}),
        "ipndm": ("deis", {"family": "ipndm", "power": 1.0}),
    }
    TABLES: ClassVar[Mapping[str, Table]] = {
        "wide": Table(LADDER, (0.0,), CALLS, std=0.3),
        "narrow": Table(LADDER[2:], (0.0,), CALLS, std=0.05),
    }
