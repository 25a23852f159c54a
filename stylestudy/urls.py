from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("generation/", include("generation.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("survey.urls")),
]
