"""Where static files are served from."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedModulesStorage(CompressedManifestStaticFilesStorage):
    """Also modules import each other by their hashed names, so that no page mixes two versions."""

    support_js_module_import_aggregation = True
