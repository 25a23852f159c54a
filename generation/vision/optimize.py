"""Minimizing over pixels, by L-BFGS or Adam, with a budget of evaluations."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from generation.vision.errors import Diverged
from generation.vision.objective import Losses

#: Mean change of a pixel in the very first step. torch's L-BFGS makes that step 1 in the L1 norm,
#: which over 200,000 values is nothing and costs several evaluations to grow; so the optimizer is
#: given pixels in units in which 1 in the L1 norm is this mean change.
FIRST_STEP = 0.002

#: After a loss that is not finite, once: the first step and the learning rate by this factor.
SAFER = 0.1


@dataclass(frozen=True)
class Step:
    """An evaluation that was just done: forward and backward.

    Attributes:
        number: its number, from 1, over all sizes of a picture.
        total: the budget, over all sizes.
        size: side in pixels at which it was done.
        losses: of the pixels that were evaluated.
    """

    number: int
    total: int
    size: int
    losses: Losses


#: Called after each evaluation. It may renew a lease; whatever it raises ends the run and reaches
#: the caller.
OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Minimum:
    """What `minimize` found: pixels (1, 3, H, W), their evaluation (from 1), and the curve.

    ``restarts`` counts safer beginnings after a loss or gradient that was not finite.
    """

    pixels: Tensor
    best_evaluation: int
    curve: tuple[float, ...]
    restarts: int = 0


class _BudgetSpent(Exception):
    """Ends the optimizer from inside: all evaluations are used."""


def minimize(
    objective: Callable[[Tensor], tuple[Tensor, Losses]],
    start: Tensor,
    *,
    evaluations: int,
    optimizer: str = "lbfgs",
    history: int = 20,
    learning_rate: float = 0.02,
    on_step: OnStep | None = None,
) -> Minimum:
    """Minimize over pixels.

    Counts evaluations, not iterations, because they are what takes time; stops in the middle of a
    line search when the budget is used up, and keeps the best pixels seen. Should the optimizer
    find nothing more to do, it is started again from there. After a loss or gradient that is not
    finite it goes on once from the best pixels with smaller steps.

    Args:
        objective: pixels → (scalar with gradient, losses).
        start: (1, 3, H, W).
        evaluations: the budget, over everything.
        optimizer: ``lbfgs`` (with a strong Wolfe line search) or ``adam``.
        history: L-BFGS memory.
        learning_rate: Adam's, in units of [0, 1].
        on_step: see `OnStep`.

    Raises:
        Diverged: a loss or gradient that is not finite, and again with smaller steps.
        Exception: whatever ``on_step`` raises.
    """
    run = _Run(objective, start, evaluations, on_step)
    factor = 1.0
    while True:
        try:
            if optimizer == "adam":
                run.adam(factor * learning_rate)
            else:
                run.lbfgs(factor, history)
        except _BudgetSpent:
            break
        except Diverged:
            if factor < 1.0 or run.evaluation == 0:
                raise
            factor = SAFER
    return Minimum(run.best, run.best_evaluation, tuple(run.curve), restarts=int(factor < 1.0))


class _Run:
    """One minimization: the budget, the curve and the best pixels so far."""

    def __init__(
        self,
        objective: Callable[[Tensor], tuple[Tensor, Losses]],
        start: Tensor,
        evaluations: int,
        on_step: OnStep | None,
    ) -> None:
        self.objective, self.evaluations, self.on_step = objective, evaluations, on_step
        self.best, self.best_value, self.best_evaluation = start.detach().clone(), math.inf, 0
        self.curve: list[float] = []

    @property
    def evaluation(self) -> int:
        """How many gave a finite loss."""
        return len(self.curve)

    def lbfgs(self, factor: float, history: int) -> None:
        """Until the budget is spent. Tolerances 0: only the budget ends it."""
        unit = self.best.numel() * FIRST_STEP * factor
        # torch's L-BFGS flattens with view(), so its variable is plainly contiguous; the encoder
        # puts pixels in channels_last itself.
        x = (self.best / unit).contiguous().requires_grad_()
        while True:
            optimizer = torch.optim.LBFGS(
                [x],
                max_iter=self.evaluations,
                max_eval=self.evaluations + 1,
                tolerance_grad=0.0,
                tolerance_change=0.0,
                history_size=history,
                line_search_fn="strong_wolfe",
            )

            def closure(optimizer: torch.optim.Optimizer = optimizer) -> Tensor:
                optimizer.zero_grad()
                return self.evaluate(x, x * unit)

            optimizer.step(closure)  # type: ignore[no-untyped-call]
            with torch.no_grad():
                x.copy_(self.best / unit)

    def adam(self, learning_rate: float) -> None:
        """Until the budget is spent."""
        x = self.best.clone().contiguous().requires_grad_()
        optimizer = torch.optim.Adam([x], lr=learning_rate)
        while True:
            optimizer.zero_grad()
            self.evaluate(x, x)
            optimizer.step()

    def evaluate(self, x: Tensor, pixels: Tensor) -> Tensor:
        """One forward and backward pass; x is what the gradient is taken by."""
        if len(self.curve) == self.evaluations:
            raise _BudgetSpent
        number = len(self.curve) + 1
        total, losses = self.objective(pixels)
        total.backward()  # type: ignore[no-untyped-call]
        slope = math.nan if x.grad is None else float(x.grad.abs().sum())
        if not losses.finite or not math.isfinite(slope):
            raise Diverged(
                f"Evaluation {number} of {self.evaluations}: expected a finite loss and gradient, "
                f"got {losses.total} and {slope}. Try a smaller content weight, fewer style layers, "
                f"or another photograph.",
                evaluation=number,
            )
        self.curve.append(losses.total)
        if losses.total < self.best_value:
            self.best_value, self.best_evaluation = losses.total, number
            self.best.copy_(pixels.detach())
        if self.on_step is not None:
            self.on_step(Step(number, self.evaluations, pixels.shape[-1], losses))
        return total
