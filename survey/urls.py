from django.urls import path

from survey import (
    chart_views,
    credits_views,
    export_views,
    join_views,
    leave_views,
    participant_views,
    plan_views,
    report_views,
    views,
)

app_name = "survey"
urlpatterns = [
    path("", join_views.home, name="home"),
    path("s/<slug:slug>/", join_views.join, name="join"),
    path("s/<slug:slug>/declined/", join_views.declined, name="declined"),
    path("i/<str:token>/", join_views.invited, name="invited"),
    path("s/<slug:slug>/credits/", credits_views.credits_page, name="credits"),
    path("s/<slug:slug>/CREDITS.csv", credits_views.credits_file, name="credits_file"),
    path("p/<str:token>/", views.participate, name="participate"),
    path("p/<str:token>/<int:position>/<int:slot>/picture", views.picture, name="picture"),
    path("p/<str:token>/withdraw/", leave_views.withdraw, name="withdraw"),
    path("studies/<slug:slug>/participants/", participant_views.participants, name="participants"),
    path(
        "studies/<slug:slug>/invitations.csv",
        participant_views.invitations_file,
        name="invitations",
    ),
    path("studies/<slug:slug>/plan/", plan_views.plan, name="plan"),
    path(
        "studies/<slug:slug>/preregistration.md",
        plan_views.preregistration_file,
        name="preregistration",
    ),
    path("studies/<slug:slug>/report/", report_views.report, name="report"),
    path("studies/<slug:slug>/report/state", report_views.report_state, name="report_state"),
    path("studies/<slug:slug>/report/again", report_views.try_again, name="report_again"),
    path("studies/<slug:slug>/report/<slug:tab>/", report_views.report, name="report_tab"),
    path("studies/<slug:slug>/report.<str:format>", report_views.report_data, name="report_data"),
    path(
        "studies/<slug:slug>/report/charts/<slug:name>.<str:format>",
        chart_views.report_chart,
        name="report_chart",
    ),
    path("studies/vega-<str:version>.js", chart_views.vega, name="vega"),
    path("studies/<slug:slug>/export.zip", export_views.export, name="export"),
    path("studies/<slug:slug>/pictures/<int:pk>.png", report_views.picture, name="report_picture"),
]
