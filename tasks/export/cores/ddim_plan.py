"""DDIM's plan, which DDPM, the fine reference and DC-Solver's search also use.

Song, Meng, Ermon 2021 (arXiv 2010.02502, equation 12). From a node to the next,
with a, s its alpha and sigma, a', s' the next one's, abar = a^2, z standard normal:

    v  = eta s'/s sqrt(1 - abar/abar')
    x' = a' data + sqrt(s'^2 - v^2) noise + v z,    noise = (x - a data) / s
"""

import math

from tasks.export.cores.time_grid import Nodes, Step, summed
from tasks.nets.sampling import Plan


def ddim(nodes: Nodes, name: str, eta: float = 0.0, clip: bool = False) -> Plan:
    """DDIM's plan; eta 0 draws the first noise alone, eta 1 is ancestral sampling.

    Args:
        nodes: Where it calls.
        name: Of the plan.
        eta: Share of the ancestral deviation, 0..1.
        clip: Clip the data at every call.
    """
    steps: list[Step] = []
    noises = 1
    for i in range(nodes.steps):
        a, s = nodes.alpha[i], nodes.sigma[i]
        a_next, s_next = nodes.alpha[i + 1], nodes.sigma[i + 1]
        fresh = eta * s_next / s * math.sqrt(1 - (a / a_next) ** 2)
        kept = math.sqrt(s_next**2 - fresh**2)
        x, data = nodes.state(i), f"data{i}"
        steps.append(nodes.call(i, data, x, "data", clip))
        terms = [(data, a_next - kept * a / s), (x, kept / s)]
        if fresh:
            terms.append((f"noise{noises}", fresh))
            noises += 1
        steps.append(summed(nodes.state(i + 1), *terms))
    return Plan(name, tuple(steps), noises)
