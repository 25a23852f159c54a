"""What encoders are and what their layers are called, apart from weights and computing.

Free of torch, so that the web process can check a recipe.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from generation.vision.errors import BadParams, UnknownLayer

#: ``max`` as the networks were trained, ``average`` as Gatys et al. 2016 (section 2) prefer.
POOLINGS: tuple[str, ...] = ("max", "average")

#: Length of fc6.
FC6_FEATURES = 4096


@dataclass(frozen=True)
class EncoderSpec:
    """What an encoder is, apart from its weights.

    Attributes:
        name: the name stored with everything that the encoder makes.
        blocks: convolutions in each of the five blocks.
        widths: channels of each block.
        preprocessing: ``rgb`` (RGB in [0, 1], minus ImageNet's mean, over its standard deviation)
            or ``bgr`` (BGR in [0, 255] minus a mean color).
        has_fc6: whether the first fully connected layer exists.
        style_layers: conv1_1 … conv5_1 (Gatys et al. 2016, section 3).
        content_layer: conv4_2 (the same).
    """

    name: str
    blocks: tuple[int, ...]
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    preprocessing: Literal["rgb", "bgr"] = "rgb"
    has_fc6: bool = False
    style_layers: tuple[str, ...] = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
    content_layer: str = "conv4_2"

    @property
    def conv_layers(self) -> tuple[str, ...]:
        """All convolutions from shallow to deep."""
        return tuple(
            f"conv{block}_{index}"
            for block, count in enumerate(self.blocks, start=1)
            for index in range(1, count + 1)
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers that can be asked for, from shallow to deep."""
        return (*self.conv_layers, "fc6") if self.has_fc6 else self.conv_layers

    @property
    def nsv_layers(self) -> tuple[str, ...]:
        """The last convolution of each block: the layers of the Neural Style Vector."""
        return tuple(f"conv{block}_{count}" for block, count in enumerate(self.blocks, start=1))

    @property
    def descriptor_name(self) -> str:
        """What the descriptor of a photograph is, as reports call it."""
        return "fc6" if self.has_fc6 else f"{self.nsv_layers[-1]} mean (stands in for fc6)"

    @property
    def descriptor_size(self) -> int:
        """Length of the descriptor."""
        return FC6_FEATURES if self.has_fc6 else self.widths[-1]

    def channels(self, layer: str) -> tuple[int, int]:
        """Input and output channels of a convolution. Raises `UnknownLayer`."""
        if layer not in self.conv_layers:
            raise UnknownLayer(self._no_layer(layer))
        block, index = (int(part) for part in layer.removeprefix("conv").split("_"))
        out = self.widths[block - 1]
        if index > 1:
            return out, out
        return (3 if block == 1 else self.widths[block - 2]), out

    def require_layers(self, layers: Iterable[str]) -> tuple[str, ...]:
        """The layers from shallow to deep, each once. Raises `UnknownLayer`."""
        wanted = set(layers)
        for layer in sorted(wanted - set(self.layers)):
            raise UnknownLayer(self._no_layer(layer))
        return tuple(layer for layer in self.layers if layer in wanted)

    def _no_layer(self, layer: str) -> str:
        hint = ""
        if layer == "fc6":
            hint = f" For this encoder the descriptor is {self.descriptor_name}."
        return (
            f"The encoder {self.name!r} has no layer {layer!r}. "
            f"It has {', '.join(self.layers)}.{hint}"
        )


VGG19 = EncoderSpec("vgg19", (2, 2, 4, 4, 4), has_fc6=True)
VGG16_HED = EncoderSpec("vgg16-hed", (2, 2, 3, 3, 3), preprocessing="bgr")

#: The encoders that can be asked for by name.
SPECS: dict[str, EncoderSpec] = {spec.name: spec for spec in (VGG19, VGG16_HED)}

#: A few channels only, never trained: so that tests of what lies around an encoder are fast.
TINY = EncoderSpec("tiny-untrained", (2, 2, 2, 2, 2), widths=(4, 6, 8, 8, 8))


def get_spec(name: str) -> EncoderSpec:
    """The encoder of a name. Raises `BadParams` if there is none."""
    if name not in SPECS:
        raise BadParams(
            f"Expected an encoder among {', '.join(SPECS)}, got {name!r}.", field="encoder"
        )
    return SPECS[name]
