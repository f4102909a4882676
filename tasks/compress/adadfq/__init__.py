"""AdaDFQ: a network quantised to few bits without any data.

Qian, Wang, Hong, Wang, "Adaptive Data-Free Quantization" (CVPR 2023, pp. 7960-7968).
Reference implementation: github.com/hfutqian/AdaDFQ at 84100f3. A generator G makes
pictures x = G(noise | class y); the quantised network Q learns from the float one P on
them. G wants pictures on which both disagree, within margins, and that carry their
class and P's batch statistics; Q wants to agree. With logits z_P, z_Q of a picture, C
classes, and H_T(u) = -sum_c softmax(u / T)_c log softmax(u / T)_c:

    H'    = (h - min h) / (log C - min h),  h = H_1(z_P - z_Q)     1 for agreement
    L_m   = mean relu(lambda_l - H') + mean relu(H' - lambda_u)    margins
    L_bal = a_ds CE(z_P - z_Q, y) + a_as CE(z_P + z_Q, y)          the class
    L_BNS = 1/L sum_l MSE(mean_l, mu_l) + MSE(var_l, sigma2_l)     batch statistics
    L_G   = L_m + beta L_bal + gamma L_BNS                         what G descends
    L_Q   = -T^2 mean H_T(z_P - z_Q)                               what Q descends

Both networks keep their batch statistics (eval mode), G does not. In the first
``warm_up`` epochs Q does not learn and ranges of activations settle; then they stay.
The quantiser's own formulas stand in ``student.py``.

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
| ``no_margin`` | without L_m |
| ``gdfq`` | L_G = CE(z_P, y) + 0.1 L_BNS, L_Q = CE + KL: Xu et al. 2020, 2003.03603 |
| ``minmax`` | no training; activations' largest values on pictures of normal noise |

It takes residual networks with batch normalisation, ``bc_resnet``'s. Of perceptrons
only those with batch normalisation could be taken, and Offcut trains none.
"""

from typing import Any

import torch

from tasks.artifacts.progress import Progress
from tasks.compress import Compressor, Result
from tasks.compress.adadfq.game import AdaDFQParams, Game
from tasks.compress.cores.rows import Rows
from tasks.nets.layers import Linear
from tasks.nets.policy import stack, take
from tasks.nets.resnet import NormedConv, ResNet


class AdaDFQ(Compressor[AdaDFQParams]):
    """One game a seed; of the rows it reads the seeds' numbers alone."""

    takes = (NormedConv, Linear)
    policies = (ResNet,)

    @property
    def bits(self) -> float:
        """Bits of a weight and of an activation."""
        return self.params.bits

    def work(self, policy: Any, rows: Rows) -> Result:
        """Play one game a seed."""
        p = self.params
        coded, course = [], []
        with Progress("adadfq", len(rows.seeds) * p.epochs) as progress:
            for k, seed in enumerate(rows.seeds):

                def record(
                    epoch: int, metrics: dict[str, float], k: int = k, seed: int = seed
                ) -> None:
                    course.append({"seed": seed, "epoch": epoch, **metrics})
                    words = "  ".join(f"{n} {v:.3g}" for n, v in metrics.items())
                    progress(k * p.epochs + epoch + 1, words)

                with torch.enable_grad():
                    coded.append(Game(take(policy, k), p, seed).run(record))
        return Result(stack(coded), None, course=course)
