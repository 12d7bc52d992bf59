"""Where each unit of a layer lies in the picture: receptive field arithmetic, exact.

A unit of a layer sees a box of pixels, its receptive field. Along one axis of the picture the boxes of all
units follow from three numbers (`AxisPlace`): the size of the box, the distance between neighbours' boxes,
and the centre of the first. Each operator changes them by a rule. If unit i of its output sees units
s i + a ... s i + b of its input, then

- stride  = input's stride * s
- start   = input's start + input's stride * (a + b) / 2
- extent  = input's extent + input's stride * (b - a)

For a convolution with kernel size k, stride s, dilation d and padding p, a = -p and b = (k - 1) d - p.
Source: A. Araujo, W. Norris, J. Sim, "Computing Receptive Fields of Convolutional Neural Networks",
Distill, 2019, doi:10.23915/distill.00021.

What the numbers mean where that paper leaves it open:

- Padding is not clipped: the receptive fields of outer units reach beyond the picture.
- Dilation leaves holes in a receptive field; `extent` is from its first to its last pixel.
- Where paths of one stride meet, as in ResNet and Inception, the receptive field is the smallest interval
  that holds each path's, and its centre is the unit's place. Where the strides differ, the place is unknown.
- In upsampling, neighbours see different numbers of units. `extent` and `start` then are those of the
  smallest interval that moves by `stride` from unit to unit and holds each unit's true receptive field.
- What is the same for the whole map is left out: the statistics of a normalization, the factors of a
  squeeze-and-excitation block.
- A tensor that is concatenated, sliced or shuffled along its channels has one place for all channels.
"""

from .place import AxisPlace, Place
from .walk import places

__all__ = ["AxisPlace", "Place", "places"]
