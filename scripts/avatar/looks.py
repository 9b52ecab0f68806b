"""Who the avatar can be: sliders of the body model, skin, eyes, hair and clothes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """One person. Colours are sRGB, 0 to 255.

    Attributes:
        shape: targets of the body model (file below `targets`) and their weights.
        skin, lips, blush: colours of the face; hands take the first.
        freckles, stubble: strength, 0 to 1.
        iris: colour of the eyes.
        brow: colour, and thickness against the ordinary one.
        lashes_m: length of the upper lashes.
        hair: style (a function of hair.py) and colour near the root and at the tip.
        clothes: pieces (functions of clothes.py) and their colours.
    """

    shape: Mapping[str, float]
    skin: Colour
    lips: Colour
    blush: Colour
    iris: Colour
    brow: Colour
    hair: str
    hair_root: Colour
    hair_tip: Colour
    clothes: Mapping[str, Colour]
    freckles: float = 0.0
    stubble: float = 0.0
    brow_thickness: float = 1.0
    lashes_m: float = 0.007
    glasses: bool = False
    both_sides: Mapping[str, float] = field(default_factory=dict)

    def targets(self) -> dict[str, float]:
        """Return all targets; those of `both_sides` stand for a left and a right one."""
        pairs = {
            name.replace("/", f"/{side}-", 1): weight
            for name, weight in self.both_sides.items()
            for side in "lr"
        }
        return {**self.shape, **pairs}


# The chest as clothes that hold it leave it.
_UNDER_CLOTHES = {
    "breast/female-young-averagemuscle-averageweight-mincup-averagefirmness": 0.6,
    "breast/breast-point-decr": 0.6,
    "breast/nipple-point-decr": 1.0,
}

LOOKS: dict[str, Look] = {
    "ada": Look(
        shape={
            "macrodetails/universal-female-young-averagemuscle-averageweight": 0.72,
            "macrodetails/universal-female-young-averagemuscle-minweight": 0.28,
            "macrodetails/caucasian-female-young": 0.8,
            "macrodetails/asian-female-young": 0.2,
            **_UNDER_CLOTHES,
            "head/head-oval": 0.45,
            "head/head-scale-horiz-decr": 0.1,
            "mouth/mouth-upperlip-volume-incr": 0.3,
            "mouth/mouth-lowerlip-volume-incr": 0.25,
            "mouth/mouth-angles-up": 0.35,
            "nose/nose-scale-horiz-decr": 0.25,
            "nose/nose-point-up": 0.15,
        },
        both_sides={"eyes/eye-scale-incr": 0.25, "eyes/eye-height2-incr": 0.2},
        skin=(232, 184, 160),
        lips=(190, 96, 94),
        blush=(222, 138, 118),
        iris=(92, 112, 84),
        brow=(66, 44, 32),
        hair="bob",
        hair_root=(88, 57, 39),
        hair_tip=(132, 86, 56),
        clothes={"tee": (232, 228, 220), "blazer": (40, 54, 80), "trousers": (34, 38, 46)},
        freckles=0.25,
    ),
    "ben": Look(
        shape={
            "macrodetails/universal-male-young-averagemuscle-averageweight": 0.75,
            "macrodetails/universal-male-old-averagemuscle-averageweight": 0.25,
            "macrodetails/caucasian-male-young": 0.55,
            "macrodetails/asian-male-young": 0.3,
            "macrodetails/african-male-young": 0.15,
            "head/head-square": 0.2,
            "chin/chin-width-incr": 0.15,
            "mouth/mouth-angles-up": 0.3,
        },
        both_sides={"eyes/eye-height2-incr": 0.35},
        skin=(208, 158, 130),
        lips=(172, 104, 94),
        blush=(200, 124, 100),
        iris=(84, 60, 40),
        brow=(40, 30, 26),
        hair="short",
        hair_root=(26, 20, 18),
        hair_tip=(52, 40, 34),
        clothes={"shirt": (122, 152, 182), "trousers": (52, 50, 50)},
        stubble=0.55,
        brow_thickness=1.25,
        lashes_m=0.0045,
    ),
    "noor": Look(
        shape={
            "macrodetails/universal-female-young-averagemuscle-averageweight": 1.0,
            "macrodetails/african-female-young": 0.7,
            "macrodetails/asian-female-young": 0.1,
            "macrodetails/caucasian-female-young": 0.2,
            **_UNDER_CLOTHES,
            "head/head-oval": 0.3,
            "mouth/mouth-upperlip-volume-incr": 0.2,
            "mouth/mouth-angles-up": 0.3,
        },
        both_sides={"eyes/eye-scale-incr": 0.2, "eyes/eye-height2-incr": 0.2},
        skin=(146, 102, 80),
        lips=(138, 72, 68),
        blush=(150, 80, 62),
        iris=(58, 38, 26),
        brow=(30, 22, 20),
        hair="bun",
        hair_root=(22, 17, 16),
        hair_tip=(44, 33, 29),
        clothes={"turtleneck": (176, 122, 72), "trousers": (40, 36, 40)},
    ),
}
