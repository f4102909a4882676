"""Losses and what curves show of them, each in one compiled pass over a batch.

``losses.py`` says the same in torch, where it is read, and used where arrays are not
float32 on the processor. Sums are float64, over the rows of a slice in their order.

Shapes: S slices, B batch, A action, E members. Arrays are float32 and side by side.
"""

import numpy as np

from tasks.nets.kernels import Floats, compiled


@compiled
def expectile(q: Floats, v: Floats, tau: Floats, each: Floats, slope: Floats) -> None:
    """Expectile regression of v on q, (S, B), with tau (S,): each (S,), slope."""
    rows = q.shape[1]
    for s in range(q.shape[0]):
        total, above = 0.0, tau[s]
        below, scale = np.float32(1) - above, np.float32(-2 / rows)
        for b in range(rows):
            u = q[s, b] - v[s, b]
            pull = u * (below if u < 0 else above)
            slope[s, b] = scale * pull
            total += pull * u
        each[s] = total / rows


@compiled
def squares(
    q: Floats, y: Floats, share: float, errors: Floats, each: Floats, slope: Floats
) -> None:
    """Squared errors of q (S, E, B) beside y (S, B).

    Args:
        q: As said.
        y: As said.
        share: Of a member's mean in the loss.
        errors: Gets the squares, (S, E, B).
        each: Gets the sum over members of share times their mean, (S,).
        slope: Gets its gradient by q.
    """
    members, rows = q.shape[1:]
    scale = np.float32(2 * share / rows)
    for s in range(q.shape[0]):
        total = 0.0
        for e in range(members):
            for b in range(rows):
                u = q[s, e, b] - y[s, b]
                square = u * u
                errors[s, e, b] = square
                slope[s, e, b] = scale * u
                total += square
        each[s] = share * total / rows


@compiled
def likelihood(
    action: Floats,
    logged: Floats,
    weight: Floats,
    log_std: Floats,
    per_std: Floats,
    each: Floats,
    by_action: Floats,
    by_log_std: Floats,
) -> None:
    """Weighted negative log likelihood of a normal.

    Args:
        action: Its mean, (S, B, A).
        logged: (S, B, A).
        weight: (S, B).
        log_std: (S, 1, A), within its range.
        per_std: exp(-log_std).
        each: Gets the mean over rows, (S,).
        by_action: Gets its gradient by the mean.
        by_log_std: Gets that by the log deviation.
    """
    rows, width = action.shape[1:]
    half = 0.5 * np.log(2 * np.pi)
    slope = np.empty(width)
    for s in range(action.shape[0]):
        total, slope[:] = 0.0, 0.0
        for b in range(rows):
            w = weight[s, b] / np.float32(rows)
            density = 0.0
            for a in range(width):
                per = per_std[s, 0, a]
                z = (action[s, b, a] - logged[s, b, a]) * per
                square = z * z
                density += 0.5 * square + log_std[s, 0, a] + half
                by_action[s, b, a] = z * per * w
                slope[a] += w * (np.float32(1) - square)
            total += w * density
        each[s] = total
        by_log_std[s, 0] = slope


@compiled
def pulls(
    action: Floats, logged: Floats, weight: Floats, each: Floats, slope: Floats
) -> None:
    """Weighted squares ||action - logged||^2, (S, B, A), with weight (S, B).

    Args:
        action: As said.
        logged: As said.
        weight: As said.
        each: Gets the mean over rows, (S,).
        slope: Gets its gradient by the action.
    """
    rows, width = action.shape[1:]
    for s in range(action.shape[0]):
        total = 0.0
        for b in range(rows):
            w = weight[s, b]
            scale = w * np.float32(2 / rows)
            for a in range(width):
                u = action[s, b, a] - logged[s, b, a]
                slope[s, b, a] = scale * u
                total += w * (u * u)
        each[s] = total / rows


@compiled
def tails(
    y: Floats, errors: Floats, count: int, kurtosis: Floats, share: Floats
) -> None:
    """How heavy the tails are of targets y (S, B), and of errors (S, E, B).

    Args:
        y: As said.
        errors: >= 0; of a row the mean over members counts.
        count: Rows that are the tail, 1 to B.
        kurtosis: Gets that of the targets, (S,).
        share: Gets the tail's share of the sum, (S,).
    """
    members, rows = errors.shape[1:]
    most = np.empty(count)  # the largest so far, falling
    for s in range(y.shape[0]):
        mean, second, fourth = 0.0, 0.0, 0.0
        for b in range(rows):
            mean += y[s, b]
        mean /= rows
        for b in range(rows):
            square = (y[s, b] - mean) ** 2
            second += square
            fourth += square * square
        second /= rows
        kurtosis[s] = (fourth / rows) / max(second * second, 1e-30)
        total, most[:] = 0.0, 0.0
        for b in range(rows):
            error = 0.0
            for e in range(members):
                error += errors[s, e, b]
            error /= members
            total += error
            if error > most[count - 1]:
                at = count - 1
                while at > 0 and most[at - 1] < error:
                    most[at] = most[at - 1]
                    at -= 1
                most[at] = error
        share[s] = most.sum() / max(total, 1e-30)
