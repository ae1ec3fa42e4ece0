"""Exponential moving average (EMA) of the weights during training."""

from collections.abc import Callable
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def average_of(module: torch.nn.Module, ema_decay: float) -> AveragedModel:
    """An EMA of the module's weights; call `update_parameters(module)` after each step.

    The decay rises to `ema_decay` in the first steps, n steps giving (1 + n) / (10 + n), so that the initial weights are soon forgotten.
    """
    return AveragedModel(module, multi_avg_fn=_warm_up_ema(ema_decay))


def _warm_up_ema(ema_decay: float) -> Callable[[Any, Any, Any], None]:
    def update(averaged: Any, current: Any, count: Any) -> None:
        steps = int(count)
        get_ema_multi_avg_fn(min(ema_decay, (1 + steps) / (10 + steps)))(averaged, current, count)

    return update
