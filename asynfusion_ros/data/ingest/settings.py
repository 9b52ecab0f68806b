"""What `ingest` takes for a gap, for a take, and for trustworthy."""

from __future__ import annotations

from dataclasses import dataclass

from asynfusion_ros.settings import Settings, setting


@dataclass(frozen=True)
class IngestSettings(Settings):
    """How a video is cleaned after tracking."""

    face_gap_s: float = setting(
        0.25, doc="Gaps of the face up to this are bridged", unit="s", minimum=0.0, maximum=2.0
    )
    body_gap_s: float = setting(
        0.5, doc="Gaps of a limb up to this are bridged", unit="s", minimum=0.0, maximum=2.0
    )
    split_gap_s: float = setting(
        1.0, doc="A face lost for longer ends the take", unit="s", minimum=0.1, maximum=60.0
    )
    shortest_take_s: float = setting(
        4.0, doc="Takes shorter than this are left out", unit="s", minimum=2.0, maximum=60.0
    )
    visibility: float = setting(
        0.5, doc="Landmarks less visible are not believed", minimum=0.0, maximum=1.0
    )
    largest_turn_deg: float = setting(
        45.0, doc="A face turned further away is not believed", unit="deg", minimum=10.0, maximum=90
    )
    least_face_px: float = setting(
        48.0, doc="Nor a face of less height", unit="px", minimum=16.0, maximum=1000.0
    )
    other_faces: bool = setting(False, doc="Keep parts in which other faces show")
    plane_cutoff_hz: float = setting(
        6.0, doc="Low-pass of landmarks in the picture", unit="Hz", minimum=0.5, maximum=12.0
    )
    depth_cutoff_hz: float = setting(
        2.5, doc="Low-pass of their depth, the weak axis", unit="Hz", minimum=0.5, maximum=12.0
    )
    largest_shift_s: float = setting(
        0.5, doc="Sound is sought this far around the lips", unit="s", minimum=0.1, maximum=1.0
    )
    move_sound: bool = setting(True, doc="Move the sound to the lips where it clearly is elsewhere")
