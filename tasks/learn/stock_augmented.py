"""Stock-augmented distributional Q-learning: the law of returns, for a chosen risk.

Paper: Avila Pires et al. 2025, "Optimizing Return Distributions with Distributional
Dynamic Programming" (JMLR 26(185), arXiv 2501.13028), whose deep agent it calls
D-eta-N; the paper has no code, and numbers it leaves open are this project's. The
stock c_{t+1} = (c_t + r_{t+1}) / discount carries what was earned, so that
c_0 + G_0 = discount^t (c_t + G_t), and an objective of c_0 + G is one of c_t + G_t. The
network learns quantiles q_i(s, c, a) of G at the levels (2 i - 1) / 2 N, by QR-DQN
(Dabney et al. 2018, arXiv 1710.10044):

    c' = (c + r) / discount
    a' = argmax_a' sum_i w_i f(c' + qbar_i(s', c', a'))
    y_j = r + discount (1 - d) qbar_j(s', c', a')
    L = sum_i mean_j |level_i - 1{u < 0}| Huber(u) / kappa,   u = y_j - q_i(s, c, a)

f and w are the objective's, ``tasks/nets/stock.py``; they are used to act alone, and
where several actions are equally good their quantiles are averaged. Rewards do not
depend on the stock, so a step is learned from with ``edits`` stocks drawn evenly from
a range, each of which the world could have had there. It explores by a stock drawn anew
at each step. With ``worst`` the start is found at the end,

    c_0 = argmax_c  -c + max_a mean_i min(c + q_i(s_0, c, a), 0) / share

over a grid. ``worst_without_stock`` is what is often done instead and is no optimum.

Shapes: S seeds, B batch, E edits, A actions, N quantiles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import MEND, PARAMS, OneOf, Range
from tasks.artifacts.seeding import generator
from tasks.learn import Chance, ReplayLearner, ReplayParams
from tasks.nets.layers import Linear
from tasks.nets.optimisers import adam, frozen_copy, polyak
from tasks.nets.stock import OBJECTIVES, StockPolicy
from tasks.train import Batch, Draw, Spaces

STARTS = 2001  # of the grid that a start is looked for on
EQUAL = 1e-6  # scores that differ by less are the same


@dataclass(frozen=True)
class StockAugmentedParams(ReplayParams):
    """Units and ranges stand in params/learn/stock_augmented.yaml."""

    objective: Annotated[str, OneOf(OBJECTIVES)]
    share: Annotated[float, Range(0, 1)]
    target: Annotated[float, Range(-1e6, 1e6)]
    hidden: Annotated[tuple[int, ...], Range(1, 65_536)]
    quantiles: Annotated[int, Range(1, 10_000)]
    stock_low: Annotated[float, Range(-1e6, 1e6)]
    stock_high: Annotated[float, Range(-1e6, 1e6)]
    edits: Annotated[int, Range(1, 1000)]
    discount: Annotated[float, Range(0, 1)]
    kappa: Annotated[float, Range(0, 1e6, open=True)]
    rate: Annotated[float, Range(0, 1)]
    target_every: Annotated[int, Range(1, 10**9)]
    epsilon_start: Annotated[float, Range(0, 1)]
    epsilon_end: Annotated[float, Range(0, 1)]
    epsilon_share: Annotated[float, Range(0, 1, open=True)]

    def __post_init__(self) -> None:
        """Also refuse a range without stocks, and shares and discounts of nothing."""
        super().__post_init__()
        if not self.stock_low < self.stock_high:
            expected = f"more than stock_low, {self.stock_low:g}"
            raise RefusedError(PARAMS, "stock_high", self.stock_high, expected, MEND)
        for name in ("share", "discount"):
            if getattr(self, name) == 0:
                raise RefusedError(PARAMS, name, 0.0, "(0, 1]", MEND)


class StockAugmented(ReplayLearner[StockAugmentedParams]):
    """Quantiles of returns by state, stock and action.

    Raises:
        RefusedError: In a world that forbids actions at times.
    """

    actions = ("discrete",)
    begin: Tensor  # (S, O), the first observation

    def __init__(
        self,
        params: StockAugmentedParams,
        spaces: Spaces,
        seeds: Sequence[int],
        updates: int,
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        if spaces.masked:
            found, expected = "a world with a mask", "a world that allows every action"
            raise RefusedError(PARAMS, "learn.stock_augmented", found, expected, MEND)
        self.q = self.network()
        self.behind = frozen_copy(self.q, self.network())
        self.optimisers = {"q": adam(self.q.layers.parameters(), params.rate)}
        n = params.quantiles
        self.levels = (torch.arange(n) + 0.5) / n
        self.register_buffer("begin", torch.zeros(len(seeds), spaces.observation))

    def network(self) -> StockPolicy:
        """A fresh network, the same each time."""
        p, actions = self.params, self.spaces.action
        widths = [self.spaces.observation + 1, *p.hidden, actions * p.quantiles]
        layers = [Linear(len(self.seeds), i, o) for i, o in pairwise(widths)]
        draws = [generator(seed, "q") for seed in self.seeds]
        for layer in layers:
            layer.initialise(draws)
        width = p.stock_high - p.stock_low
        return StockPolicy(layers, p.objective, p.share, p.discount, width, actions)

    def stocks(self, share: Tensor) -> Tensor:
        """Shares in [0, 1) of the range -> stocks; all 0 without any."""
        p = self.params
        if not self.q.stocked:
            return torch.zeros_like(share)
        return p.stock_low + (p.stock_high - p.stock_low) * share

    def act(
        self, observation: Tensor, legal: Tensor | None, chance: Chance, step: int
    ) -> Tensor:
        """The best action at a stock drawn anew, or a random one."""
        del legal
        if step == 0:
            self.begin = observation[:, 0].clone()
        count, epsilon = self.spaces.action, self.epsilon(step)
        luck = torch.from_numpy(chance.uniform)  # (S, N, at least 2)
        action = (luck[..., 1] * count).long().clamp(max=count - 1)
        if step >= self.params.warm_up:
            # where nothing is explored, what is left of that draw is even, too
            rest = ((luck[..., :1] - epsilon) / max(1 - epsilon, 1e-6)).clamp(0, 1)
            stock = self.stocks(rest)
            best = self.q.scores(self.q.returns(observation, stock), stock).argmax(-1)
            action = torch.where(luck[..., 0] < epsilon, action, best)
        return torch.eye(count)[action]

    def epsilon(self, step: int) -> float:
        """Share of random actions after some steps, falling linearly."""
        p = self.params
        done = min(1.0, step / (p.epsilon_share * self.updates))
        return p.epsilon_start + done * (p.epsilon_end - p.epsilon_start)

    def draws(self) -> dict[str, Draw]:
        """The shares of the range from which stocks are taken."""
        return {"stock": Draw(self.params.edits, "uniform")}

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Descend the quantiles' error; renew the target network when it is time."""
        p = self.params
        stock = self.stocks((batch.noise["stock"][..., :1] + 1) / 2)  # (S, B, E, 1)
        lead = stock.shape[:3]

        def rows(x: Tensor) -> Tensor:
            """A row for each edit: (S, B, width) -> (S, B E, width)."""
            return x[:, :, None].expand(*lead, x.shape[-1]).flatten(1, 2)

        c, reward = stock.flatten(1, 2), rows(batch.reward[..., None])
        with torch.no_grad():
            later = (c + reward) / p.discount if self.q.stocked else c
            after = self.behind.returns(rows(batch.next_observation), later)
            scores = self.behind.scores(after, later)
            best = (scores >= scores.amax(-1, keepdim=True) - EQUAL).to(after)
            even = best / best.sum(-1, keepdim=True)
            ahead = (even[..., None] * after).sum(2)  # (S, B E, N)
            goes_on = 1 - rows(batch.terminated[..., None])
            y = reward + p.discount * goes_on * ahead
        q = self.q.returns(rows(batch.observation), c)
        q = (q * rows(batch.action)[..., None]).sum(2)
        u = y[:, :, None, :] - q[..., None]  # (S, B E, N of q, N of y)
        error = functional.huber_loss(u, torch.zeros_like(u), "none", p.kappa)
        slope = (self.levels[:, None] - (u.detach() < 0).to(u)).abs()
        loss = (slope * error / p.kappa).mean(-1).sum(-1).mean(-1)
        self.descend("q", loss)
        if (step + 1) % p.target_every == 0:
            polyak(self.behind.layers, self.q.layers, 1.0)
        return {"loss": loss.detach(), "value": q.detach().mean((-1, -2))}

    def policy(self) -> StockPolicy:
        """The policy of the objective, with the start that suits it."""
        p = self.params
        if p.objective == "worst":
            start = self.best_start()
        else:
            start = torch.zeros(len(self.seeds))
            start -= p.target if p.objective == "target" else 0.0
        with torch.no_grad():
            self.q.start.stock.copy_(start[:, None, None])
        return self.q

    def best_start(self) -> Tensor:
        """The stock of the grid with the best mean of the worst share, (S,)."""
        grid = self.stocks(torch.linspace(0, 1, STARTS))
        with torch.no_grad():
            stock = grid[None, :, None].expand(len(self.seeds), STARTS, 1)
            seen = self.begin[:, None].expand(len(self.seeds), STARTS, -1)
            best = self.q.scores(self.q.returns(seen, stock), stock).amax(-1)
            reached = best / self.params.share - grid
        return grid[reached.argmax(1)]
