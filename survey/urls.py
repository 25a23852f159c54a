from django.urls import path

from survey import report_views, views

app_name = "survey"
urlpatterns = [
    path("", views.home, name="home"),
    path("s/<slug:slug>/", views.join, name="join"),
    path("s/<slug:slug>/credits/", views.credits_page, name="credits"),
    path("s/<slug:slug>/CREDITS.csv", views.credits_file, name="credits_file"),
    path("p/<str:token>/", views.participate, name="participate"),
    path("p/<str:token>/<int:position>/<int:slot>.png", views.picture, name="picture"),
    path("studies/<slug:slug>/report/", report_views.report, name="report"),
    path("studies/<slug:slug>/report.<str:format>", report_views.report_data, name="report_data"),
    path("studies/<slug:slug>/pictures/<int:pk>.png", report_views.picture, name="report_picture"),
]
