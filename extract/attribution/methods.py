"""The table of methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .attribution import Method
from .deconvnet import Deconvnet
from .grad_cam import GradCam
from .guided_backprop import GuidedBackprop
from .integrated_gradients import IntegratedGradients
from .plain import Plain
from .smooth_grad import SmoothGrad
from .times_input import TimesInput

# What prepares each method: a callable of (model, target, wrt), and keywords for its settings.
METHODS: Mapping[str, Callable[..., Method]] = {
    "plain": Plain,
    "times-input": TimesInput,
    "deconvnet": Deconvnet,
    "guided-backprop": GuidedBackprop,
    "smooth-grad": SmoothGrad,
    "integrated-gradients": IntegratedGradients,
    "grad-cam": GradCam,
}
