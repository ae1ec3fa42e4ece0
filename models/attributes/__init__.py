"""Attribute classifiers: a crop of a vehicle in, the probability of each label out. Deployments train their own."""

from pathlib import Path

from etle.protocols import AttributeClassifier


def open_attribute_classifier(weights: Path, *, threads: int = 1) -> AttributeClassifier:
    """`weights`: what `etle models train attribute` wrote. Raises WeightsMissing, WeightsError, MissingExtra."""
    from models.attributes.onnx_classifier import OnnxAttributeClassifier

    return OnnxAttributeClassifier(weights, threads=threads)
