from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerSplitView

from dashboard.views import AnalyzeViewSet
from search.urls import COMPANY
from system.metrics import MetricsView
from system.views import (
    HealthView,
    IntegrationView,
    ReadyView,
    SelfTestResultView,
    SelfTestView,
    UnknownRouteView,
    documentation,
    home,
    sign_in,
)

# ReDoc writes its styles at run time, and searches in a worker made of a blob.
redoc = csp_update({"style-src": [UNSAFE_INLINE], "worker-src": [SELF, "blob:"]})(
    documentation(SpectacularRedocView.as_view(url_name="schema"))
)
swagger = documentation(SpectacularSwaggerSplitView.as_view(url_name="schema"))

urlpatterns = [
    path("", home, name="home"),
    path("health", HealthView.as_view(schema=None)),
    path("api/v1/health", HealthView.as_view(schema=None)),
    path("api/v1/system/health", HealthView.as_view(), name="health"),
    path("api/v1/system/metrics", MetricsView.as_view(), name="metrics"),
    path("api/v1/system/ready", ReadyView.as_view(), name="ready"),
    path("api/v1/system/test/integration", IntegrationView.as_view(), name="integration-test"),
    path("api/v1/system/test/celery", SelfTestView.as_view(), name="self-test"),
    path("api/v1/system/test/result", SelfTestResultView.as_view(), name="self-test-result"),
    re_path(
        rf"^api/v1/search/companies/{COMPANY}/analyze$",
        AnalyzeViewSet.as_view({"post": "analyze"}),
        name="analyze-company",
    ),
    path("api/v1/search/", include("search.urls")),
    path("api/v1/dashboard/", include("dashboard.urls")),
    path("api/v1/schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path("docs", swagger, name="docs"),
    path("redoc", redoc, name="redoc"),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/login/", sign_in),  # in place of the admin's own, by the same name
    path("admin/", admin.site.urls),
    re_path("", UnknownRouteView.as_view(), name="unknown"),
]
