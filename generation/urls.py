"""Staff pages: the progress of a set, thumbnails."""

from django.urls import path

from generation import views

app_name = "generation"
urlpatterns = [
    path("sets/<slug:slug>/", views.set_progress, name="set"),
    path("sets/<slug:slug>/state/", views.set_state, name="set-state"),
    path("sets/<slug:slug>/make/", views.set_make, name="set-make"),
    path("sets/<slug:slug>/licenses/", views.set_licenses, name="set-licenses"),
    path("collect/", views.collect, name="collect"),
    path("collect/state/", views.collecting, name="collect-state"),
    path("content/<int:pk>/mask/", views.mask_state, name="mask-state"),
    path("image/<slug:kind>/<int:pk>/", views.thumbnail, name="image"),
]
