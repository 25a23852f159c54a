"""Everything that decides a picture, as one frozen value; and the presets with their reasons."""

from dataclasses import dataclass, replace
from typing import ClassVar

from generation.vision.errors import BadParams
from generation.vision.params import Params, is_number
from generation.vision.specs import POOLINGS, get_spec

# Names only, and no torch: the web process checks recipes too. The functions are in `statistics`.
STATISTICS: tuple[str, ...] = ("gram", "moments", "sliced-wasserstein")
LOSSES: tuple[str, ...] = ("relative", "gatys")
OPTIMIZERS: tuple[str, ...] = ("lbfgs", "adam")
STARTS: tuple[str, ...] = ("random-phase", "texture", "content", "noise", "overlay")
COLORS: tuple[str, ...] = ("style", "match", "histogram", "luminance")


@dataclass(frozen=True, kw_only=True)
class TransferParams(Params):
    """Everything that decides a picture, apart from photographs, masks and seed.

    ``FORMAT`` also stands for the constants of the engine (those of `initial`, `texture` and
    `optimize`): with other ones the same parameters give another picture, so it goes up. 3: half of
    the content's own detail stays in the start.

    Attributes:
        encoder: name of the encoder.
        pooling: ``max`` or ``average``.
        style_layers: layers whose statistics are compared.
        style_weights: one a layer (Gatys 2016, eq. 5).
        content_layer: layer whose activations are compared.
        content_weight: weight of the content loss against the style loss (α/β in eq. 7).
        statistic: what a style is made of: ``gram``, ``moments`` or ``sliced-wasserstein``.
        loss: ``relative`` (squared distances over the target's squared norm) or ``gatys`` (as
            published, Gram matrices only); the weights mean something else in each.
        optimizer: ``lbfgs`` or ``adam``.
        history: L-BFGS memory.
        learning_rate: Adam's, in units of [0, 1].
        size: side of the picture in pixels.
        evaluations: budget of forward and backward passes at that size, used up exactly.
        coarse: smaller sizes that are optimized before, each (side, evaluations); the result is
            enlarged and taken as the next start.
        range_weight: weight of the mean squared excess of values outside [0, 1]. The picture is
            clipped in the end; without this (no part of the paper) the optimum uses values that
            do not exist, and clipping undoes part of it.
        tv_weight: weight of the total variation.
        initial: ``random-phase``, ``texture`` (the synthesized texture, see `texture`),
            ``content``, ``noise``, or ``overlay`` (a photograph's own detail: for comparison only,
            the picture is then a copy of it).
        sigma: Gaussian of the random-phase, texture and overlay starts, in pixels.
        texture_evaluations: budget of the synthesized texture.
        color: ``style`` (the style's colors), ``match`` or ``histogram`` (the style photographs
            take the content's colors first), ``luminance`` (only light and dark are restyled).
    """

    FORMAT: ClassVar[int] = 3

    encoder: str = "vgg16-hed"
    pooling: str = "max"
    style_layers: tuple[str, ...] = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
    style_weights: tuple[float, ...] = (0.2, 0.2, 0.2, 0.2, 0.2)
    content_layer: str = "conv4_2"
    content_weight: float = 0.05
    statistic: str = "gram"
    loss: str = "relative"
    optimizer: str = "lbfgs"
    history: int = 20
    learning_rate: float = 0.02
    size: int = 256
    evaluations: int = 32
    coarse: tuple[tuple[int, int], ...] = ()
    range_weight: float = 100.0
    tv_weight: float = 0.0
    initial: str = "random-phase"
    sigma: float = 3.0
    texture_evaluations: int = 60
    color: str = "style"

    def __post_init__(self) -> None:
        """Check the values. Raises `BadParams` (layers: see `check_encoder`)."""
        self._check_choice("pooling", POOLINGS)
        self._check_choice("statistic", STATISTICS)
        self._check_choice("loss", LOSSES)
        self._check_choice("optimizer", OPTIMIZERS)
        self._check_choice("initial", STARTS)
        self._check_choice("color", COLORS)
        self._check_int("size", 32, 4096)
        self._check_int("evaluations", 1, 100_000)
        self._check_int("texture_evaluations", 1, 100_000)
        self._check_int("history", 1, 1000)
        self._check_number("content_weight", 0.0)
        self._check_number("range_weight", 0.0)
        self._check_number("tv_weight", 0.0)
        self._check_number("learning_rate", 0.0, above=True)
        self._check_number("sigma", 0.0, above=True)
        if self.loss == "gatys" and self.statistic != "gram":
            raise self._bad("loss", "relative, unless the statistic is gram (as in the paper),")
        if not isinstance(self.encoder, str) or not self.encoder:
            raise self._bad("encoder", "the name of an encoder")
        if not isinstance(self.content_layer, str):
            raise self._bad("content_layer", "the name of a layer")
        self._check_layers()
        self._check_coarse()
        if not any(self.style_weights) and self.content_weight == 0:
            raise BadParams("TransferParams: all style weights and content_weight are 0.")

    def check_encoder(self) -> None:
        """Check that the named encoder is one that can be had, and has the layers.

        Apart from `__post_init__`, so that the parameters also serve networks of other names.
        fc6 is no layer to compare: it is no convolution, and takes pictures of one size only.

        Raises:
            BadParams: the encoder is unknown, or a layer is none of its convolutions.
        """
        known = get_spec(self.encoder).conv_layers
        for name in ("style_layers", "content_layer"):
            value = getattr(self, name)
            for layer in (value,) if isinstance(value, str) else value:
                if layer not in known:
                    expected = f"convolutions of {self.encoder} ({', '.join(known)})"
                    raise self._bad(name, expected, repr(layer))

    def _check_layers(self) -> None:
        layers, weights = self.style_layers, self.style_weights
        if (
            not isinstance(layers, tuple)
            or not layers
            or not all(isinstance(layer, str) for layer in layers)
            or len(set(layers)) != len(layers)
        ):
            raise self._bad("style_layers", "different names of layers, at least one")
        if (
            not isinstance(weights, tuple)
            or len(weights) != len(layers)
            or not all(is_number(weight) and weight >= 0 for weight in weights)
        ):
            raise self._bad("style_weights", "one number of at least 0 a style layer")

    def _check_coarse(self) -> None:
        sides = [self.size]
        steps = self.coarse if isinstance(self.coarse, tuple) else (None,)
        for step in reversed(steps):
            fits = (
                isinstance(step, tuple)
                and len(step) == 2
                and all(isinstance(n, int) and not isinstance(n, bool) for n in step)
                and 32 <= step[0] < sides[-1]
                and 1 <= step[1] <= 100_000
            )
            if not fits:
                expected = (
                    "pairs (side, evaluations), at least 32 pixels and 1 evaluation, "
                    f"sides growing up to size (below {self.size})"
                )
                raise self._bad("coarse", expected)
            sides.append(step[0])

    @property
    def total_evaluations(self) -> int:
        """Over all sizes, without the texture."""
        return self.evaluations + sum(evaluations for _side, evaluations in self.coarse)


def gettext_noop(text: str) -> str:
    """Marks a text for translation by whoever shows it: numerics know no Django."""
    return text


@dataclass(frozen=True)
class Preset:
    """Parameters with a name, and why they are as they are.

    Attributes:
        params: the parameters.
        reason: in English; translated by whoever shows it.
        single_content: name of the preset that takes its place where a word is given to one content
            photograph only; empty: none does.
        own_encoder: whether its encoder is part of a published method; else any will do.
    """

    params: TransferParams
    reason: str
    single_content: str = ""
    own_encoder: bool = False


_FAST = TransferParams(initial="texture", sigma=3.0, evaluations=20)

_PUBLISHED = TransferParams(
    encoder="vgg19",
    pooling="average",
    loss="gatys",
    # α/β = 1e-3, one of the paper's ratios, over the weights 1/5 a layer.
    content_weight=1e-3,
    initial="noise",
    range_weight=0.0,
    evaluations=500,
)

PRESETS: dict[str, Preset] = {
    "fast": Preset(
        _FAST,
        gettext_noop(
            "For studies. The start already has the style's statistics and shapes, from a texture that "
            "is synthesized once a word from its style representation, so few evaluations are enough. "
            "In a set of one content photograph it is as “random-phase”: the texture takes half a "
            "minute a word and pays only if several pictures share it."
        ),
        single_content="random-phase",
    ),
    "random-phase": Preset(
        TransferParams(initial="random-phase", evaluations=28),
        gettext_noop(
            "For one content a word, where a synthesized texture does not pay: the start has the "
            "style's spectrum."
        ),
    ),
    "preview": Preset(
        replace(_FAST, initial="random-phase", size=128, evaluations=12),
        gettext_noop("A few seconds, to see whether words and contents are worth a study."),
    ),
    "gatys2015": Preset(
        _PUBLISHED,
        gettext_noop(
            "As published: conv1_1 … conv5_1, conv4_2, average pooling, start from noise. What still "
            "differs: their VGG-19 was rescaled to a mean activation of 1, torchvision's is not, so "
            "the ratio of the weights is not the same number; the budget counts evaluations."
        ),
        own_encoder=True,
    ),
    "matsuo-yanai": Preset(
        replace(_PUBLISHED, initial="content", evaluations=300),
        gettext_noop(
            "The first study as far as its slides say: VGG-19, conv1_1 … conv5_1 for style and "
            "conv4_2 for content, three clusters a word. Guesses: average pooling, the ratio of "
            "weights, the start from the content, the number of evaluations."
        ),
        own_encoder=True,
    ),
}


def get_preset(name: str, *, single_content: bool = False) -> TransferParams:
    """The parameters of a preset.

    Args:
        name: one of `PRESETS`.
        single_content: the style is for one content photograph only (see `Preset`).

    Raises:
        BadParams: there is none of that name.
    """
    preset = _preset(name)
    if single_content and preset.single_content:
        return PRESETS[preset.single_content].params
    return preset.params


def preset_encoder(name: str, default: str) -> str:
    """The encoder of a preset: its own where that is part of a published method, else ``default``.

    Raises:
        BadParams: there is no preset of that name.
    """
    preset = _preset(name)
    return preset.params.encoder if preset.own_encoder else default


def _preset(name: str) -> Preset:
    if name not in PRESETS:
        raise BadParams(
            f"Expected a preset among {', '.join(PRESETS)}, got {name!r}.", field="preset"
        )
    return PRESETS[name]
