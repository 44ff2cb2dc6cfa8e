from django.urls import path, re_path

from dashboard.views import CompanyViewSet, DashboardViewSet
from search.urls import COMPANY

company = CompanyViewSet.as_view({"patch": "partial_update", "delete": "destroy"})

urlpatterns = [
    path("status", DashboardViewSet.as_view({"get": "status"}), name="dashboard-status"),
    path("latest", DashboardViewSet.as_view({"get": "latest"}), name="dashboard-latest"),
    path("tasks/<uuid:task_id>", DashboardViewSet.as_view({"get": "task"}), name="dashboard-task"),
    path("cache/info", DashboardViewSet.as_view({"get": "cache_info"}), name="dashboard-cache-info"),
    path("cache/all", DashboardViewSet.as_view({"delete": "clear_all"}), name="dashboard-cache-all"),
    re_path(rf"^cache/{COMPANY}$", DashboardViewSet.as_view({"delete": "clear_company"}), name="dashboard-cache"),
    path("companies", CompanyViewSet.as_view({"get": "list", "post": "create"}), name="dashboard-companies"),
    re_path(
        rf"^companies/{COMPANY}/latest$", CompanyViewSet.as_view({"get": "latest"}), name="dashboard-company-latest"
    ),
    re_path(rf"^companies/{COMPANY}/history$", CompanyViewSet.as_view({"get": "history"}), name="dashboard-history"),
    re_path(rf"^companies/{COMPANY}/trigger$", CompanyViewSet.as_view({"post": "trigger"}), name="dashboard-trigger"),
    re_path(rf"^companies/{COMPANY}$", company, name="dashboard-company"),
]
