"""The numerics: photographs → features → clusters → style → pictures.

Pure functions and frozen dataclasses over Pillow images, numpy arrays and torch tensors; nothing
here knows Django, Celery or the network (apart from torchvision's own download of VGG-19). What
fails, fails with a :class:`generation.vision.errors.VisionError` that says what to do.
"""
