"""Automatic weighting of the losses of several tasks by a learned variance each."""

import torch
from torch import Tensor, nn

from voicerisk.errors import MultitaskError

FORMS = ("eq6", "liebel_korner")
LIMIT = 6.0


class UncertaintyWeighting(nn.Module):
    """Weighs losses L_i by learned log-variances s_i = log sigma_i squared.

    ====================  ==============================  =====================
    form                  total                           weight of L_i at best
    ====================  ==============================  =====================
    ``eq6``               sum of exp(-s) L / 2 + s        1 / L
    ``liebel_korner``     sum of exp(-s) L / 2 + log(1 + exp(s))
                          1 / (2 v), v = (L + sqrt(L^2 + 8 L)) / 4
    ====================  ==============================  =====================

    ``eq6`` is the paper's equation 6: twice the form of Kendall, Gal and Cipolla (2018) for regression, so
    that tasks are weighed in the same ratio, L2 / L1. It has no lower bound: as a training loss goes to 0 the
    total goes to minus infinity, so that nothing may be stopped or compared on it. ``liebel_korner`` (Liebel
    and
    Koerner 2018) is never below 0 and tempers the ratio. The name "automatic weighted loss" that the paper
    uses is that of an implementation of the last form; which one was run cannot be known.

    Parameters
    ----------
    n : int
        Number of tasks.
    form : {'eq6', 'liebel_korner'}
    """

    def __init__(self, n: int, form: str = "eq6") -> None:
        super().__init__()
        if form not in FORMS:
            raise MultitaskError(f"The loss must be one of {', '.join(FORMS)}, not {form!r}.")
        self.form = form
        self.log_variance = nn.Parameter(torch.zeros(n))

    @property
    def clamped(self) -> Tensor:
        """The log-variances, kept within -6 and 6."""
        return self.log_variance.clamp(-LIMIT, LIMIT)

    @property
    def weights(self) -> Tensor:
        """What each loss is multiplied by at present."""
        return 0.5 * torch.exp(-self.clamped)

    def forward(self, losses: Tensor) -> Tensor:
        """Return the total of losses of shape (n,)."""
        s = self.clamped
        penalty = s if self.form == "eq6" else nn.functional.softplus(s)
        return (self.weights * losses + penalty).sum()
