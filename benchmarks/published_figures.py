"""Figures of published networks of at most half a million parameters, to be set beside ours.

PSNR in dB on Y, Set5 and Set14. How sure they are: `m` measured on our protocol with the published
weights, `t` from a published table or figure, `r` recalled and not verified.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One network at one scale.

    Attributes:
        name: in its paper; ``(Y)`` where it enlarges Y alone.
        scale: enlargement.
        parameters: as published.
        set5: dB.
        set14: dB.
        marks: how sure the two are.
        ours: our name of the same structure, of which cost and time are measured; empty where we
            have none.
    """

    name: str
    scale: int
    parameters: int
    set5: float
    set14: float
    marks: tuple[str, str]
    ours: str = ""


PUBLISHED = (
    Published("SESR-M3 (Y)", 2, 8_900, 37.21, 32.70, ("r", "t")),
    Published("ECBSR-M4C16", 2, 11_548, 37.18, 32.81, ("m", "m"), "ecbsr_m4c16"),
    Published("FSRCNN (Y)", 2, 12_600, 37.00, 32.63, ("t", "t"), "fsrcnn"),
    Published("SESR-M5 (Y)", 2, 13_500, 37.39, 32.84, ("r", "t")),
    Published("IMDN_RTC", 2, 20_200, 37.32, 32.98, ("m", "m")),
    Published("ESPCN, RGB", 2, 26_796, 36.85, 32.64, ("m", "m"), "espcn"),
    Published("SESR-M11 (Y)", 2, 27_300, 37.58, 33.03, ("r", "t")),
    Published("ABPN-M4C28", 2, 33_464, 37.38, 32.98, ("m", "m"), "abpn_m4c28"),
    Published("ECBSR-M4C32", 2, 41_500, 37.41, 33.05, ("m", "m"), "ecbsr_m4c32"),
    Published("CARN-M", 2, 415_000, 37.68, 33.31, ("m", "m"), "carn_m"),
    Published("CARN-M", 3, 415_000, 34.06, 30.11, ("m", "m"), "carn_m"),
    Published("SRGFS (Y, masked)", 4, 9_000, 31.02, 27.84, ("t", "t")),
    Published("FSRCNN (Y)", 4, 12_600, 30.71, 27.59, ("t", "t"), "fsrcnn"),
    Published("ECBSR-M4C16", 4, 16_768, 30.89, 27.81, ("m", "m"), "ecbsr_m4c16"),
    Published("ETDS-M5C16", 4, 21_360, 30.89, 27.77, ("m", "m"), "etds_m5c16"),
    Published("ESPCN, RGB", 4, 37_200, 30.69, 27.67, ("m", "m"), "espcn"),
    Published("ECBSR-M4C32", 4, 51_920, 31.26, 28.06, ("m", "m"), "ecbsr_m4c32"),
    Published("ABPN-M4C28", 4, 62_048, 31.34, 28.12, ("m", "m"), "abpn_m4c28"),
    Published("SPANV2", 4, 139_000, 31.77, 28.39, ("m", "m")),
    Published("SPAN-28", 4, 150_688, 31.75, 28.41, ("m", "m"), "span"),
    Published("CARN-M", 4, 415_000, 31.88, 28.42, ("m", "m"), "carn_m"),
)
