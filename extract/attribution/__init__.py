"""What a network looks at: methods that make gradients readable, one a module, called alike."""

from .activation_maximization import Maximization, activation_maximization
from .attribution import Attribution, Method
from .deconvnet import Deconvnet, deconvnet
from .grad_cam import GradCam, grad_cam
from .guided_backprop import GuidedBackprop, guided_backprop
from .integrated_gradients import IntegratedGradients, integrated_gradients
from .methods import METHODS
from .plain import Plain, plain
from .smooth_grad import SmoothGrad, smooth_grad
from .times_input import TimesInput, times_input

__all__ = [
    "METHODS",
    "Attribution",
    "Deconvnet",
    "GradCam",
    "GuidedBackprop",
    "IntegratedGradients",
    "Maximization",
    "Method",
    "Plain",
    "SmoothGrad",
    "TimesInput",
    "activation_maximization",
    "deconvnet",
    "grad_cam",
    "guided_backprop",
    "integrated_gradients",
    "plain",
    "smooth_grad",
    "times_input",
]
