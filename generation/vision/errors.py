"""What the numerics refuse, by name.

Every message says what was expected, what came, and what to do, so that a caller may show
``str(error)`` to a person as it is.
"""


class VisionError(Exception):
    """Base of everything that `generation.vision` raises on purpose."""


class BadImage(VisionError):
    """A picture that cannot be used as it is: wrong mode, shape, type or size."""


class BadParams(VisionError):
    """Parameters that are unknown, of the wrong type or out of range.

    Attributes:
        field: the parameter's name; empty if it is about several or none.
        detail: the message without that name, for a form that shows it beside the field.
    """

    def __init__(self, message: str, *, owner: str = "", field: str = "") -> None:
        """The message; with ``owner`` (the parameters' class) and ``field`` in front, if given."""
        super().__init__(f"{owner}.{field}: {message}" if owner else message)
        self.field = field
        self.detail = message[:1].upper() + message[1:]


class BadStyle(VisionError):
    """A style representation that is empty, malformed or of another encoder."""


class UnknownLayer(VisionError):
    """A layer name that the encoder does not have."""


class MissingWeights(VisionError):
    """Encoder weights are not on this machine and cannot be downloaded."""


class BadWeights(VisionError):
    """A weights file that is not what the encoder needs."""


class DeviceUnavailable(VisionError):
    """A compute device that is unknown, or that this machine does not have."""


class PrecisionUnavailable(VisionError):
    """A precision that is unknown, or that the device cannot compute in."""


class OutOfMemory(VisionError):
    """Something that does not fit in the memory of the device."""


class TooFewImages(VisionError):
    """Fewer distinct photographs than clustering needs.

    Attributes:
        needed: how many distinct photographs are needed.
        found: how many came.
    """

    def __init__(self, message: str, *, needed: int, found: int) -> None:
        super().__init__(message)
        self.needed = needed
        self.found = found


class NoUsableCluster(VisionError):
    """Every cluster is smaller than a style may be made of."""


class NothingFound(VisionError):
    """No object was found in a photograph, or nothing but the object."""


class Diverged(VisionError):
    """An optimization met a loss or gradient that is not a finite number.

    Attributes:
        evaluation: the evaluation (counted from 1) at which it happened.
    """

    def __init__(self, message: str, *, evaluation: int) -> None:
        super().__init__(message)
        self.evaluation = evaluation
