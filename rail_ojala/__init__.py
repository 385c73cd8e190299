"""OJALA as a pair of RAIL stages: OjalaInformer and OjalaEstimator (docs/rail.md)."""

from rail_ojala.stages import OjalaEstimator, OjalaInformer

__all__ = ["OjalaEstimator", "OjalaInformer"]
