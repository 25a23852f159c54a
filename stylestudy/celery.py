"""The Celery application. Workers find the tasks of each app in its ``tasks`` module."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stylestudy.settings")

app = Celery("stylestudy")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Looked up when a worker starts; the web process sends tasks by name and never imports them.
app.autodiscover_tasks(["generation", "survey"])
