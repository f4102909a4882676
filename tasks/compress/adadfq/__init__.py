"""AdaDFQ: a network quantised to few bits without any data.

Qian, Wang, Hong, Wang, "Adaptive Data-Free Quantization" (CVPR 2023, pp. 7960-7968).
Reference implementation: github.com/hfutqian/AdaDFQ at 84100f3. A generator G makes
pictures from noise and a class; the quantised network Q learns from the float one P on
them. G wants pictures on which both disagree, within margins, and that carry their
class and P's batch statistics; Q wants to agree. With logits z_P, z_Q of a picture,
h = H(softmax(z_P - z_Q)), and H' = h normalised within the batch, 1 for agreement:

    L_G = mean relu(lambda_l - H') + mean relu(H' - lambda_u)
        + beta (a_ds CE(z_P - z_Q, y) + a_as CE(z_P + z_Q, y)) + gamma L_BNS
    L_Q = -T^2 mean H_T(z_P - z_Q)

Both networks keep their batch statistics (eval mode), G does not. In the first
``warm_up`` epochs Q does not learn and ranges of activations settle; then they stay.

Known from the reference code alone: gradients of the quantiser are not zeroed outside
its range; the minimum in H' keeps its gradient; the generator's 0.8 is an eps.

It differs from the reference: the average of ranges is corrected once, not twice, so
first ranges do not overshoot; the batch in L_m is the batch, not a hard-wired 16; the
last epoch counts, not the best on test data; ranges of weights hold 0, as ONNX's zero
points must. A norm with a negative gain is folded by turning the signs of its channel's
codes, which no separate multiplication has to do then. Q is asked once an iteration:
G's step changes neither the pictures nor Q. Epochs are few (a tenth of the paper's,
with half its iterations) and Q's rate therefore ten times the paper's; of 1e-3 and 1e-2
the first was better on real data, one seed, 240 iterations: 77.5 against 72.8 % right.

| arm | what it is |
|---|---|
| ``adadfq`` | the above |
| ``no_margin`` | without the first line of L_G |
| ``gdfq`` | L_G = CE(z_P, y) + 0.1 L_BNS, L_Q = CE + KL: Xu et al. 2020, 2003.03603 |
| ``minmax`` | no training; activations' largest values on pictures of normal noise |

It takes residual networks with batch normalisation, ``bc_resnet``'s. Of perceptrons
only those with batch normalisation could be taken, and Offcut trains none.
"""

from typing import Any

import torch

from tasks.artifacts.progress import Progress
from tasks.compress import Compressor, Result, Rows
from tasks.compress.adadfq.game import AdaDFQParams, Game
from tasks.compress.cores.slices import stack, take
from tasks.nets.layers import Linear
from tasks.nets.resnet import NormedConv, ResNet


class AdaDFQ(Compressor):
    """One game a seed; of the rows it reads the seeds' numbers alone."""

    Parameters = AdaDFQParams
    takes = (NormedConv, Linear)
    policies = (ResNet,)

    def __init__(self, params: AdaDFQParams) -> None:
        super().__init__(params)
        self.settings, self.bits = params, params.bits

    def work(self, policy: Any, rows: Rows) -> Result:
        """Play one game a seed."""
        p, made, course = self.settings, [], []
        with Progress("adadfq", len(rows.seeds) * p.epochs) as progress:
            for k, seed in enumerate(rows.seeds):

                def tell(
                    epoch: int, told: dict[str, float], k: int = k, seed: int = seed
                ) -> None:
                    course.append({"seed": seed, "epoch": epoch, **told})
                    words = "  ".join(f"{n} {v:.3g}" for n, v in told.items())
                    progress(k * p.epochs + epoch + 1, words)

                with torch.enable_grad():
                    made.append(Game(take(policy, k), p, seed).run(tell))
        return Result(stack(made), None, course=course)
