"""How a picture comes to the size that an encoder reads, and how it is varied in training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from attncli.config.section import Section


class Preprocessing(Section):
    """From a picture of any size to a square one."""

    size: int = Field(default=224, ge=8)
    """Height and width, in pixels, of what the encoder reads."""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """How a picture that is no square becomes one: `crop` keeps its middle, `pad` adds grey bars, `stretch` distorts
    it."""
    resize: int | None = Field(default=None, ge=8)
    """For `crop`: the shorter side is resized to so many pixels before the middle is cut out; by default to `size`."""

    @model_validator(mode="after")
    def _resize_belongs_to_crop(self) -> Preprocessing:
        if self.resize is not None and self.fit != "crop":
            raise ValueError(f"resize belongs to fit: crop, but fit is {self.fit}; remove it")
        if self.resize is not None and self.resize < self.size:
            raise ValueError(
                f"resize {self.resize} is less than size {self.size}; the middle would not fill the square"
            )
        return self

    @property
    def shorter_side(self) -> int:
        """What the shorter side is resized to before a crop."""
        return self.size if self.resize is None else self.resize


class Augmentation(Section):
    """What is done to a training picture at random, anew in every epoch."""

    flip: bool = False
    """Mirror every other picture left to right. Not for captions that say left and right."""
    smallest_crop: float = Field(default=1.0, gt=0, le=1)
    """Show a part at a random place whose sides are at least this share of the whole picture's; 1 shows what is shown
    outside of training."""

    @property
    def changes_nothing(self) -> bool:
        """True where every picture stays as it is."""
        return not self.flip and self.smallest_crop == 1
