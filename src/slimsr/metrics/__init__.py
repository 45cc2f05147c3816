"""Scores and costs by the protocol of the SR field; NumPy float64 only, off the device."""

from slimsr.metrics.colour import rgb_to_y
from slimsr.metrics.multiply_adds import ConvShape, multiply_adds_720p
from slimsr.metrics.psnr import psnr_rgb, psnr_y
from slimsr.metrics.ssim import ssim_y

__all__ = ["ConvShape", "multiply_adds_720p", "psnr_rgb", "psnr_y", "rgb_to_y", "ssim_y"]
